// A table of any length: only the rows in sight are drawn, so thousands scroll as tens do.
import type { ComponentChildren } from "preact";
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

/** sort: what to compare rows by; absent = this column doesn't sort. wideOnly: left out on a phone. */
export interface Column<T> {
  name: string;
  cell: (row: T) => ComponentChildren;
  sort?: (row: T) => string | number;
  isNumber?: boolean;
  wideOnly?: boolean;
}

interface Props<T> {
  label: string;
  rows: readonly T[];
  columns: readonly Column<T>[];
  /** Stays the same while a row changes. */
  id: (row: T) => string | number;
  onOpen?: (row: T) => void;
  /** Its rows have nothing to press in them: Tab goes to each, and Enter opens it. */
  isKeyed?: boolean;
  /** The row the keyboard is at. */
  selected?: string | number | null;
  /** Height in CSS px of one row; all have the same. */
  rowHeight?: number;
  /** CSS height at which the table scrolls. */
  maxHeight?: string;
  empty?: ComponentChildren;
  sortBy?: string;
}

const BEYOND = 8;

export function Table<T>({ label, rows, columns, id, onOpen, isKeyed = false, selected, rowHeight = 41, maxHeight = "70vh", empty, sortBy = "" }: Props<T>) {
  const [order, setOrder] = useState({ by: sortBy.replace(/^-/, ""), isDown: sortBy.startsWith("-") });
  const sorted = useMemo(() => {
    const key = columns.find((column) => column.name === order.by)?.sort;
    if (!key) return rows;
    const compare = (a: string | number, b: string | number): number =>
      typeof a === "string" && typeof b === "string" ? a.localeCompare(b, undefined, { numeric: true }) : Number(a > b) - Number(a < b);
    return [...rows].sort((a, b) => compare(key(a), key(b)) * (order.isDown ? -1 : 1));
  }, [rows, columns, order]);
  const box = useRef<HTMLDivElement>(null);
  const [seen, setSeen] = useState({ from: 0, to: 40 });
  const look = useCallback(() => {
    const node = box.current;
    if (!node) return;
    const from = Math.max(0, Math.floor(node.scrollTop / rowHeight) - BEYOND);
    const to = Math.ceil((node.scrollTop + node.clientHeight) / rowHeight) + BEYOND;
    setSeen((was) => (was.from === from && was.to === to ? was : { from, to }));
  }, [rowHeight]);
  useLayoutEffect(look, [sorted.length, look]);
  if (!rows.length && empty) return <>{empty}</>;
  const from = Math.min(seen.from, sorted.length), to = Math.min(seen.to, sorted.length);
  return (
    <div class="table" ref={box} style={{ maxHeight }} onScroll={look} tabIndex={0} role="region" aria-label={label}>
      <table aria-rowcount={sorted.length}>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.name} column={column} order={order} onOrder={setOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          {from > 0 && <Spacer height={from * rowHeight} />}
          {sorted.slice(from, to).map((row) => (
            <tr
              key={id(row)}
              style={{ height: `${rowHeight}px` }}
              aria-selected={selected === undefined ? undefined : selected === id(row)}
              data-link={onOpen ? "" : undefined}
              onClick={onOpen && (() => onOpen(row))}
              {...(isKeyed && onOpen
                ? {
                    tabIndex: 0,
                    onKeyDown: (event: KeyboardEvent) => {
                      if (event.key !== "Enter" || event.target !== event.currentTarget) return;
                      event.preventDefault();
                      onOpen(row);
                    },
                  }
                : {})}
            >
              {columns.map((column) => (
                <td key={column.name} class={style(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
          {to < sorted.length && <Spacer height={(sorted.length - to) * rowHeight} />}
        </tbody>
      </table>
    </div>
  );
}

const style = (column: { isNumber?: boolean; wideOnly?: boolean }): string =>
  `${column.isNumber ? "num" : ""} ${column.wideOnly ? "wide-only" : ""}`;

interface Order {
  by: string;
  isDown: boolean;
}

function Head<T>({ column, order, onOrder }: { column: Column<T>; order: Order; onOrder: (order: Order) => void }) {
  const isBy = order.by === column.name;
  return (
    <th scope="col" class={style(column)} aria-sort={isBy ? (order.isDown ? "descending" : "ascending") : undefined}>
      {column.sort ? (
        <button type="button" onClick={() => onOrder({ by: column.name, isDown: isBy && !order.isDown })}>
          {column.name}
          {isBy ? (order.isDown ? " ↓" : " ↑") : ""}
        </button>
      ) : (
        column.name
      )}
    </th>
  );
}

function Spacer({ height }: { height: number }) {
  return (
    <tr class="spacer" aria-hidden="true">
      <td style={{ height: `${height}px` }} />
    </tr>
  );
}
