"""The studies of the findings page by heading, with the figure of each chart and how to read its table."""

from __future__ import annotations

# (heading, studies, the figure of the chart, how the table is to be read)
PARTS: tuple[tuple[str, tuple[str, ...], str, str], ...] = (
    (
        "What does each part contribute?",
        ("ablation-digits", "ablation-mnist"),
        "average_gap",
        "Where doing nothing stands above LAF, the task does not need unlearning by this figure: read Train_f and JS beside it.",
    ),
    (
        "Does it help to alternate the two losses?",
        ("schedule-digits", "schedule-mnist"),
        "average_gap",
        "Two stages take each loss's steps as often as alternating does; one sum takes half as many optimiser steps, at lr_RA.",
    ),
    (
        "How sensitive is it to its rates and temperature?",
        (
            "sensitivity-digits-class",
            "sensitivity-digits-data",
            "sensitivity-digits-noise",
            "sensitivity-mnist-class",
        ),
        "average_gap",
        "×1 is the preset. One setting at a time is what people turn; the table has the combinations that are nearest and furthest.",
    ),
    (
        "What do settings found on some seeds come to on others?",
        ("search-digits",),
        "average_gap",
        "Points of the whole space, drawn at random; the eight best of the seeds that were chosen on, and what they come to on seeds that nobody looked at. "
        "The best of many is partly luck: its figure on other seeds is the one to report.",
    ),
    (
        "Does it depend on the class?",
        ("classes-digits",),
        "train_f",
        "Retrained models have a Train_f of 0 for every class.",
    ),
    (
        "What do depth and width of the extractor change?",
        ("extractor-digits", "extractor-mnist"),
        "average_gap",
        "Each net is held against models of the same net retrained from scratch; the preset's rates were found for the plain net.",
    ),
    (
        "How many labels does the repair need?",
        ("supervision-digits", "supervision-mnist"),
        "average_gap",
        "The share is of the labels of D_r; 0 is LAF without repair.",
    ),
    (
        "How stable is it over seeds?",
        ("stability-digits", "stability-mnist"),
        "average_gap",
        "The spread of retrained models, which also differ by seed, stands beside it.",
    ),
    (
        "Does a model stand several requests, one after another?",
        ("sequence-digits", "sequence-mnist"),
        "average_gap",
        "Train_f is of all classes forgotten so far: were an earlier one to come back, it would rise.",
    ),
    (
        "What is there to forget when one of several owners leaves?",
        ("clients-digits",),
        "js",
        "Originals and retrained models are trained by federated averaging; LAF has its preset for chosen images. A retrained model "
        "recognises most images of a client who is like the others. docs/federated.md has automatic settings and a server without images.",
    ),
    (
        "Where do forgotten images go, and who already knows?",
        ("destinations-digits",),
        "js",
        "Train_f is near 0 for all methods but doing nothing, so it cannot tell them apart. JS compares all answers to D_f with those of retrained models; "
        "the row retrain is one more retrained model. The original already knows the answers: without those to forget, its other answers are near "
        "the retrained models', and DELETE and MDA teach them to D_f. Lesson 9 plays it.",
    ),
    (
        "What does each stage cost?",
        ("cost-digits", "cost-mnist"),
        "seconds",
        "Seconds by stage; the original, which all but retraining need, is trained once and not counted.",
    ),
)
COLUMNS = ("train_r", "train_f", "test", "js", "average_gap", "seconds")
