/** The English of this component. */
export const PREPARING = "Preparing";
export const READY_PLAY_STARTS_FORGETTING = "Ready: Play starts forgetting";
export const RUNNING = "Running";
export const DONE = "Done";
export const STEP_SHOWN_OF_ALL = "Step shown of all";
export const REPLAY = "Replay";
export const SPEED = "Speed";
export const SPEED_OF_THE_REPLAY = "speed of the replay";
export const GO_LIVE = "Go live";
export const CONTINUE_HERE = "Continue here";
export const FORK_HERE = "Fork here";
export const REMOVE_THE_SECOND_RUN = "remove the second run";
export const DROP_FORK = "Drop fork";
export const TIMELINE = "Timeline";
export const THIS_IS_THE_NEWEST_STEP = "this is the newest step; scrub back first";
export const THIS_IS_THE_NEWEST_STEP_2 = "this is the newest step; Play continues from here";
export const THE_ORIGINAL_MODEL_IS_STILL = "The original model is still being prepared";
export const rewindTheRunToStep = (step) => `rewind the run to step ${step} and continue from there; later steps are dropped (c)`;
export const secondRunFromStepDrawn = (step) => `a second run from step ${step}, drawn over this one; change its hyperparameters, then play (f)`;
export const THE_NEWEST_STEP_IS_SHOWN = "the newest step is shown";
export const SHOW_THE_NEWEST_STEP_AGAIN = "show the newest step again";
export const NOTHING_TO_REPLAY_YET = "nothing to replay yet";
export const PLAY_THE_RECORDED_FRAMES_AGAIN = "play the recorded frames again; nothing is computed";
export const STOP = "Stop";
export const WAITING_FOR_THE_SERVER = "Waiting for the server";
export const countOf = (busy, done, total) => `${busy}, ${done} of ${total}`;
export const aboutLeft = (seconds) => `about ${seconds} s left`;
export const STEP = "Step";
export const countOf2 = (done, total) => `${done} of ${total}`;
export const stepOf = (shown, steps) => `step ${shown} of ${steps}`;
export const alarmAt = (name, step, until, sentence) => `${name}, ${until === null ? `since step ${step}` : `from step ${step} until step ${until}`}: ${sentence}`;
export const afterStep = (step, text) => `after step ${step}: ${text}`;
export const stepNotLabelAgnostic = (step, text) => `step ${step}: ${text}; not label-agnostic`;
export const stepNearestToRetrainingJs = (step, js) => `step ${step}: nearest to retraining, JS ${js}; an oracle's view, seen with retrained models`;
export const forkFromStep = (from, fork) => `fork from step ${from}: ${fork}`;
export const STAGES = {
  vae: "An autoencoder (VAE) learns how the model represents all training data, D",
  vae_f: "A second autoencoder learns how the model represents the data to forget, D_f",
  answers: "The original answers all training data; the method learns from these answers",
  newcomer: "A new model, trained for a short while on the data that remain, shows what else the data to forget could be called",
  unlearn: "The model forgets, one step at a time",
};
