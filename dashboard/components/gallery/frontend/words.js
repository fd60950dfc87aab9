/** The English of this component. */
export const HELP = "Gallery of the training data. Arrows move, space picks or drops, shift and space picks a range.";
export const NOTHING_PASSES = "Nothing passes the filter.";
export const PREVIOUS_PAGE = "previous page";
export const NEXT_PAGE = "next page";
export const GALLERY = "Gallery";
export const countOf = (first, n, n_all) => `${first}–${n} of ${n_all}`;
export const CLICK_PICKS_OR_DROPS_SHIFT = "click picks or drops · shift-click: a range · drag: all it crosses";
export const calledLoss = (name, i, toPrecision) => ` · called ${name} (${i} %) · loss ${toPrecision}`;
export const idClass = (i, name, says, picked) => `id ${i} · class ${name}${says}${picked}`;
