// Made at build time by land.mjs.
declare module "virtual:land" {
  export const path: string;
  export const width: number;
  export const height: number;
}
