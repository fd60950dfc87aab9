"""What a lesson's check can ask of a run: names, and what each means. docs/lessons.md lists them; a test holds the two together."""

from __future__ import annotations

READINGS = {
    "train_r": "accuracy on the remaining training images, 0 to 1",
    "train_f": "accuracy on the images to forget",
    "test": "accuracy on all test images",
    "test_r": "accuracy on test images of the other classes",
    "test_f": "accuracy on test images of the forgotten classes",
    "clean_f": "accuracy on the images to forget by their true labels; where labels are wrong",
    "one_answer": "share of the images to forget that get the commonest answer",
    "auc": "area under the membership attack's curve; 0.5 cannot tell",
    "auc_low": "lower end of its 95 % interval",
    "auc_high": "upper end of its 95 % interval",
    "js": "Jensen-Shannon distance to the retrained models on the images to forget, nats, 0 to 0.69",
}
MEASURED = {
    "naive_auc": "the same attack against test images of all classes: the question that is not membership",
    "fair_auc": "against test images of the forgotten classes only",
    "neighbours": "share of a forgotten image's 15 nearest neighbours that are of its class",
    "probe": "accuracy of a linear probe that tells forgotten from other test classes by their representations",
}
MEASURED = {k: f"{v}; after the step's measurement" for k, v in MEASURED.items()}
RUN = {
    "steps": "steps taken",
    "total_steps": "steps the run has in all",
    "frames": "moments the run was looked at",
    "phase": '"ready", "running", "paused", "done" or "failed"',
    "seconds": "seconds the method has spent",
    "retrain_seconds": "seconds that retraining took, mean of the retrained models",
    "references": "retrained models there are so far",
    "angle_r": "median angle by which representations of remaining images turned, degrees",
    "angle_f": "the same of images to forget",
    "vae_first": "loss of the VAE of D in its first epoch",
    "vae_last": "in its last epoch",
    "vae_best": "in its best epoch",
    "vae_f_first": "loss of the VAE of D_f in its first epoch",
    "vae_f_last": "in its last epoch",
    "vae_f_best": "in its best epoch",
}
CHOSEN = {
    "dataset": "name of the dataset",
    "task": '"class", "data", "noise" or "indices"',
    "classes": 'the classes that are forgotten, as "3" or "0,1"',
    "method": '"laf", "laf+r", "nothing", …',
    "seed": "the seed",
    "share": "share of labels that LAF+R's repair reads",
    "losses": 'what a step is on: "both", "ue" or "ra"',
    "schedule": '"alternate", "two-stage" or "joint"',
    "lr_ue": "rate of L_UE",
    "lr_ra": "rate of L_RA",
    "tau": "τ of L_RA",
    "epochs": "passes over the shorter of D_f and D_r",
    "weight_remain": "weights of the four terms",
    "weight_forget": "",
    "weight_align": "",
    "weight_repel": "",
    "vae_lr": "learning rate of both VAEs",
    "vae_latent": "latent size",
    "vae_kl_weight": "weight of the KL term",
    "vae_epochs": "epochs of the VAEs",
    "vae_output": '"linear" or "sigmoid"',
}
PLAIN = {**READINGS, **MEASURED, **RUN, **CHOSEN}
PREFIXES = {
    "original": "the same of the model before anything was unlearned",
    "retrained": "the mean of the retrained models",
    "retrained_low": "the lowest of the retrained models",
    "retrained_high": "the highest of the retrained models",
    "fork": "the same of the fork that is drawn over the run",
    "lowest": "the lowest value in any frame of the run",
    "highest": "the highest value in any frame of the run",
}
OF = {  # prefix -> names that it can stand before
    "original": (*READINGS, *MEASURED),
    "retrained": (*READINGS, *MEASURED),
    "retrained_low": tuple(READINGS),
    "retrained_high": tuple(READINGS),
    "fork": tuple(k for k in PLAIN if k not in MEASURED),
    "lowest": tuple(READINGS),
    "highest": tuple(READINGS),
}


def is_fact(name: str) -> bool:
    """Whether a check may ask for ``name``."""
    prefix, dot, rest = name.partition(".")
    return rest in OF.get(prefix, ()) if dot else name in PLAIN


def known_names() -> list[str]:
    """All of them."""
    return [*PLAIN, *(f"{prefix}.{name}" for prefix, names in OF.items() for name in names)]
