/**
 * What the paper claims, in its order, and what judges it here.
 *
 * @module
 */

import type {
  Catalogue,
  Exhibit,
} from "../../core/experiment/paper/catalogue.ts";
import {
  DIAGNOSIS_DIFFERENCES,
  ENCODER_DIFFERENCES,
} from "./embedding_differences.ts";
import { FRONTIER_CLAIMS } from "./frontier.ts";
import * as futures from "./futures.ts";
import * as representations from "./representations.ts";
import { WORLD_MODEL_DIFFERENCES } from "./world_model_differences.ts";

const item = (
  name: string,
  title: string,
  experiment: string,
  kind: "table" | "figure" | "media",
  item: string,
): Exhibit => ({ name, title, shown: { experiment, kind, item } });

/** Tables 1 and 2, Figures 1 to 10. */
const EXHIBITS: readonly Exhibit[] = [
  item("Table 1", "Errors of the probes", "encoders", "table", "table1"),
  item("Table 2", "The frontier", "frontier", "table", "table2"),
  item("Figure 1", "Predicted futures", "qualitative", "media", "moving"),
  item("Figure 2", "Encoders compared", "encoders", "figure", "figure2"),
  item("Figure 3", "The diagnosis", "diagnosis", "figure", "figure3"),
  item("Figure 4", "KID by horizon", "frontier", "figure", "figure4"),
  item(
    "Figure 5",
    "Perception and distortion",
    "frontier",
    "figure",
    "figure5",
  ),
  item("Figure 6", "Motion", "motion", "figure", "figure6"),
  item("Figure 7", "Where frames move", "motion", "media", "figure7"),
  item("Figure 8", "Jumps", "jump", "media", "figure8"),
  item("Figure 9", "Control", "controllability", "figure", "figure9"),
  item("Figure 10", "Every step", "qualitative", "media", "frames"),
];

/** The paper as data. */
export const CATALOGUE: Catalogue = {
  sections: [
    { title: "Abstract", claims: representations.ABSTRACT },
    { title: "Contributions", claims: representations.CONTRIBUTIONS },
    { title: "5.1 Encoders", claims: representations.ENCODER_CLAIMS },
    { title: "5.2 Diagnosis", claims: representations.DIAGNOSIS_CLAIMS },
    {
      title: "5.3 Perception and distortion",
      claims: FRONTIER_CLAIMS,
    },
    { title: "5.4 Motion", claims: futures.MOVING_CLAIMS },
    { title: "5.5 Control", claims: futures.CONTROL_CLAIMS },
    {
      title: "5.6 Protocol and failures",
      claims: futures.LIMIT_CLAIMS,
    },
  ],
  exhibits: EXHIBITS,
  differences: {
    "World models": WORLD_MODEL_DIFFERENCES,
    "Encoders": ENCODER_DIFFERENCES,
    "Diagnosis": DIAGNOSIS_DIFFERENCES,
  },
};
