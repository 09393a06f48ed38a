// Line icons on a 24 px grid, drawn for Holdfast.
const SHAPES = {
  overview: "M4 13h6V4H4zM14 20h6V4h-6zM4 20h6v-3H4z",
  charts: "M4 4v16h16M7 15l4-5 3 3 5-7",
  devices: "M8 4h8v16H8zM4 8h4M4 12h4M4 16h4M16 8h4M16 12h4M16 16h4",
  alerts: "M12 4a5 5 0 0 0-5 5c0 6-2 7-2 7h14s-2-1-2-7a5 5 0 0 0-5-5zM10 19a2 2 0 0 0 4 0",
  rules: "M5 6h9M5 12h5M5 18h9M18 4v4M14 10v4M18 16v4M18 6h2M14 12h6M18 18h2",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5",
  adapters: "M9 3v5M15 3v5M6 8h12v3a6 6 0 0 1-12 0zM12 17v4",
  sync: "M5 10a7 7 0 0 1 12-3l2 2M19 4v5h-5M19 14a7 7 0 0 1-12 3l-2-2M5 20v-5h5",
  storage: "M5 6c0-3 14-3 14 0s-14 3-14 0zM5 6v12c0 3 14 3 14 0V6M5 12c0 3 14 3 14 0",
  quarantine: "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6zM12 9v4M12 16v.5",
  logs: "M5 5h14M5 10h10M5 15h14M5 20h8",
  traces: "M4 6h9M8 12h10M12 18h8M4 6v12",
  sites: "M12 21s7-6 7-11a7 7 0 0 0-14 0c0 5 7 11 7 11zM12 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  analytics: "M5 20V10M10 20V4M15 20v-7M20 20V8",
  settings: "M4 7h9M17 7h3M4 17h3M11 17h9M15 9a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM9 19a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  more: "M5 12h.1M12 12h.1M19 12h.1",
  close: "M6 6l12 12M18 6L6 18",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM16 16l4 4",
  check: "M5 12.5l4.5 4.5L19 7.5",
  back: "M15 5l-7 7 7 7",
  next: "M9 5l7 7-7 7",
  down: "M5 9l7 7 7-7",
  pause: "M9 5v14M15 5v14",
  play: "M8 5l11 7-11 7z",
  download: "M12 4v11M7 11l5 5 5-5M5 20h14",
  plus: "M12 5v14M5 12h14",
  moon: "M20 14a8 8 0 1 1-10-10 6.5 6.5 0 0 0 10 10z",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v1.5M12 19.5V21M3 12h1.5M19.5 12H21M5.6 5.6l1 1M17.4 17.4l1 1M5.6 18.4l1-1M17.4 6.6l1-1",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM5 20c0-7 14-7 14 0",
} as const;

export type IconName = keyof typeof SHAPES;

/** An icon beside words; what stands alone needs a label on its button. */
export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={SHAPES[name]} />
    </svg>
  );
}
