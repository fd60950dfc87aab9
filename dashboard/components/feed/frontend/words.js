/** The English of this component. */
export const stepPastLafStopAt = (steps, plural, step, changes) => `${steps} step${plural} past LAF's stop at step ${step}${changes}.`;
