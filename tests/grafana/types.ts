// Grafana's own types of a dashboard and of the panels we use, as they stand in JSON.
import type { Dashboard, GraphFieldConfig } from "@grafana/schema";
import type { Options as Bars } from "@grafana/schema/dist/esm/raw/composable/bargauge/panelcfg/x/BarGaugePanelCfg_types.gen";
import type { Options as Heatmap } from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type { Options as Stat } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { Options as Table } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { Options as Lines } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// An enum is written as its value in JSON.
type Json<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends (infer Item)[] ? Json<Item>[] : T extends object ? { [Key in keyof T]: Json<T[Key]> } : T;

// What the Prometheus source adds to an annotation; Grafana keeps it beside the general keys.
interface Asked {
  expr: string;
  step: string;
  titleFormat: string;
  useValueForTime: boolean;
}

type Known = Json<Dashboard>;
type Note = NonNullable<NonNullable<Known["annotations"]>["list"]>[number];
export type Board = Omit<Known, "annotations"> & { annotations: { list: (Note & Asked)[] } };
export type Custom = Json<GraphFieldConfig>;
export interface Options {
  timeseries: Json<Lines>;
  stat: Json<Stat>;
  bargauge: Json<Bars>;
  heatmap: Json<Heatmap>;
  table: Json<Omit<Table, "frameIndex" | "showTypeIcons">>;
}
