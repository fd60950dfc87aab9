/** The English of this component. */
export const COLOUR_BY = "Colour by";
export const REMAIN_FORGET = "remain / forget";
export const COLOUR_BY_2 = "Colour by ";
export const mapOf = (title, note) => `Map of ${title}: ${note}. Press ] for the next forgotten point.`;
export const POINT_AT_A_DOT = "Point at a dot to mark it on both maps.";
export const confidence = (side, name, i) => `${side}: ${name}, confidence ${i}`;
export const withId = (i) => ` · id ${i} · `;
