-- How far a child's branch is in the newest backup of this journal; a child keeps what is above it.
ALTER TABLE branch_marks ADD COLUMN safe INTEGER NOT NULL DEFAULT 0
