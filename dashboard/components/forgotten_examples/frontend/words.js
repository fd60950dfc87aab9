/** The English of this component. */
export const ANSWER_OF_THE_ORIGINAL_MODEL = "answer of the original model";
export const ANSWER_AT_THE_SHOWN_STEP = "answer at the shown step; orange while it is still the original's";
export const MOST_COMMON_ANSWER_OF_THE = "most common answer of the retrained models";
export const EXAMPLES_WITH_ANSWERS = "Examples to forget, with their answers";
export const EXAMPLES_TO_FORGET = "Examples to forget";
export const ofRetrainedModelsSay = (votes, references, name) => `, ${votes} of ${references} retrained models say ${name}`;
export const idWasNow = (i, texts, texts2, theirs) => `id ${i}: was ${texts}, now ${texts2}${theirs}`;
