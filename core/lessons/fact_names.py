"""The names of the facts that a check can use, with their meanings. docs/lessons.md has the same tables; a test compares both."""

from __future__ import annotations

READINGS = {
    "train_r": "accuracy on the remaining training images, 0 to 1",
    "train_f": "accuracy on the images to forget, of all requests so far",
    "newest_f": "accuracy on the images of the newest request, in a chain of requests",
    "test": "accuracy on all test images",
    "test_r": "accuracy on test images of the other classes",
    "test_f": "accuracy on test images of the forgotten classes",
    "clean_f": "accuracy on the images to forget by their true labels, if some labels are wrong",
    "one_answer": "share of the images to forget that get the most common answer",
    "auc": "area under the membership attack's curve; 0.5 cannot tell",
    "auc_low": "lower end of its 95 % interval",
    "auc_high": "upper end of its 95 % interval",
    "js": "Jensen-Shannon divergence from the retrained models on the images to forget, nats, 0 to 0.69",
}
MEASURED = {
    "naive_auc": "AUC of the attack against test images of all classes, which is not a question of membership",
    "fair_auc": "AUC of the attack against test images of the forgotten classes only",
    "neighbours": "share of a forgotten image's 15 nearest neighbours that are of its class",
    "probe": "accuracy of a linear probe that tells forgotten from other test classes by their representations",
}
MEASURED = {k: f"{v}; after the step's measurement" for k, v in MEASURED.items()}
RUN = {
    "steps": "steps taken",
    "total_steps": "steps of the whole run",
    "frames": "number of frames that were recorded",
    "phase": '"ready", "running", "paused", "done" or "failed"',
    "seconds": "seconds that the method has taken",
    "retrain_seconds": "seconds that retraining took, mean of the retrained models",
    "references": "number of retrained models so far",
    "angle_r": "median angle by which representations of remaining images have turned, degrees",
    "angle_f": "the same for images to forget",
    "vae_first": "loss of the VAE of D in its first epoch",
    "vae_last": "its loss in the last epoch",
    "vae_best": "its loss in the best epoch",
    "vae_f_first": "loss of the VAE of D_f in its first epoch",
    "vae_f_last": "its loss in the last epoch",
    "vae_f_best": "its loss in the best epoch",
}
CHOSEN = {
    "dataset": "name of the dataset",
    "task": '"class", "data", "noise" or "indices"',
    "classes": 'the classes to forget, as "3" or "0,1"',
    "method": '"laf", "laf+r", "nothing", …',
    "net": 'the net that was chosen for the original, as "vit"; unknown for the dataset\'s own',
    "seed": "the seed",
    "request": "number of the request in its chain, from 1",
    "share": "share of labels that LAF+R's repair reads",
    "losses": 'the losses of a step: "both", "ue" or "ra"',
    "schedule": '"alternate", "two-stage" or "joint"',
    "lr_ue": "learning rate of L_UE",
    "lr_ra": "learning rate of L_RA",
    "tau": "τ of L_RA",
    "epochs": "passes over the shorter of D_f and D_r",
    "weight_remain": "weight of the remain term of L_UE",
    "weight_forget": "weight of its forget term",
    "weight_align": "weight of the align term of L_RA",
    "weight_repel": "weight of its repel term",
    "vae_lr": "learning rate of both VAEs",
    "vae_latent": "latent size",
    "vae_kl_weight": "weight of the KL term",
    "vae_epochs": "epochs of the VAEs",
    "vae_output": '"linear" or "sigmoid"',
}
PLAIN = {**READINGS, **MEASURED, **RUN, **CHOSEN}
PREFIXES = {
    "original": "the same for the model before unlearning",
    "retrained": "the mean over the retrained models",
    "retrained_low": "the lowest of the retrained models",
    "retrained_high": "the highest of the retrained models",
    "fork": "the same for the fork",
    "lowest": "the lowest value in any frame of the run",
    "highest": "the highest value in any frame of the run",
}
NAMES_AFTER = {  # prefix -> names that may follow it
    "original": (*READINGS, *MEASURED),
    "retrained": (*READINGS, *MEASURED),
    "retrained_low": tuple(READINGS),
    "retrained_high": tuple(READINGS),
    "fork": tuple(k for k in PLAIN if k not in MEASURED),
    "lowest": tuple(READINGS),
    "highest": tuple(READINGS),
}


def is_fact(name: str) -> bool:
    """Return whether ``name`` is a fact that a check can use."""
    prefix, dot, rest = name.partition(".")
    return rest in NAMES_AFTER.get(prefix, ()) if dot else name in PLAIN


def known_names() -> list[str]:
    """Return the names of all facts."""
    return [*PLAIN, *(f"{prefix}.{name}" for prefix, names in NAMES_AFTER.items() for name in names)]
