/** The English of this component. */
export const METHODS_AND_FIGURES = "Methods and figures";
export const DOING_NOTHING_IS_CLOSER = "doing nothing is closer";
