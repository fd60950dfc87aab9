"""How to read the Lab: what each picture answers, what each number means, and what not to read into them."""

from __future__ import annotations

import streamlit as st

st.title("How to read the Lab", anchor=False)
what, how = st.columns(2, gap="large")
with what:
    st.markdown(
        r"""
#### What is played
A classifier $g_D = g_D^c \circ g_D^e$ was trained on data $D$. Some of it, $D_f$, must be **forgotten**; the rest, $D_r$, must
**remain**. The honest way is to train again without $D_f$. *Label-Agnostic Forgetting* (LAF, arXiv 2404.00506) changes only
the extractor $g^e$, without reading a single label:

1. Two variational autoencoders learn what representations look like: $h$ those of all of $D$, $h_f$ those of $D_f$.
2. Each **step** takes a batch $B_r$ of $D_r$ and one $B_f$ of $D_f$, and makes two moves:
"""
    )
    st.latex(
        r"L_{UE} = \sum_{x\in B_r}\varphi\big(m(e,h(e))\big) - \sum_{x\in B_f}\varphi\big(m(e,h_f(e))\big)"
    )
    st.latex(r"L_{RA} = \sum_{x\in B_r} d(x) \;-\; |B_r|\,\log\!\sum_{x'\in B_f}\exp\big(d(x')/\tau\big)")
    st.markdown(
        r"""
$m$ is the squared error of a reconstruction, $\varphi(m)=e^{\,m/(m+1)}$ bounds it, and $d(x) = 1-\cos(e_U(x), e_D(x))$ is how far a
representation has turned away from where the original model had it. $L_{UE}$ makes $h_f$ fail on what must go; $L_{RA}$ holds
what must stay and pushes away what must go. The two can cancel: watch the **cosine** between their gradients.

#### What "forgotten" means
Not a low number, but **nearness to retraining, in both directions**. One retrained model is one draw, so the Lab retrains several on
$D_r$ in the background (5 on digits, 3 elsewhere; the first from the original's initial weights) and shows, for every read-out, the **band**
in which one more of them is expected with 95 % probability, $\bar v \pm t_{k-1}\,s\,\sqrt{1+1/k}$, and the place of the model in it: *inside, 62nd*
is the 62nd percentile of that distribution. Only what is inside is green. With one retrained model there is no band yet. A class can be gone in accuracy while the forgotten
images still all get one answer where a retrained model would spread them: that is what *one answer* and *distance to retrained* show.
Sometimes doing nothing is nearer to retraining than unlearning is. The page says so when it is.
"""
    )
with how:
    st.markdown(
        r"""
#### Two maps, two questions
**Fixed map**: where would the *original* model's map put this representation? Each point is placed among its nearest neighbours by angle,
so a point moves only if the model moved it. Faded, ringed points are far from anything the original ever said.
**Follow**: what is the neighbourhood structure *now*? A short UMAP layout starts from the frame before. It shows new clusters, but
has a noise floor: points drift a little although nothing moved.

Distances on either map have no unit. Movement is therefore given as an **angle**, beside the angle by which the remaining
images turned meanwhile. A tight group is not a memory: the retrained model, which never saw the class, groups it too. Switch to
*retrained*, or turn on *all 5*, before you conclude anything from a picture: the cloud is where each retrained model, turned into the
original's coordinates, puts the same images; its legend says how well that turn fits images it was not fitted on.

#### Choosing what to forget
On the page **Forget set**, draw a lasso around points of the original model's map, or pick thumbnails. *Most memorised* is a cheap
stand-in: the model's confidence in the image's own label, minus the share of its 10 nearest other images with that label,
$p(y_i\mid x_i) - \frac{1}{10}\,|\{j\in N(i): y_j=y_i\}|$. *Most mistaken* is the highest loss. *Near-duplicates* would stay in $D_r$ and
keep alive what you try to forget. A map shows at most 2,000 images; the gallery holds all.

#### The read-outs
| name | symbol | is |
|---|---|---|
| remaining, train / test | Train_r, Test_r | accuracy on what stays |
| forgotten, train / test | Train_f, Test_f | accuracy on what must go, by the labels that the original was trained on |
| true labels, train | clean_f | noisy labels: accuracy on the mislabelled images by their true labels; it leads, since wrong labels should be undone |
| planted sign | | planted truth: mean probability of the answer that only the plant teaches |
| forgotten, one answer | max share | share of the forgotten images with the commonest answer |
| distance to retrained | JS | Jensen-Shannon divergence on the forgotten images: 0 the same answers, 0.69 none in common; its band is what retrained models have among one another |
| attack AUC | AUC | can an attacker tell forgotten training images from test images of the same classes? 0.5: no |

With few images an AUC is uncertain by ± 0.1; where its interval reaches the band from outside the page says *cannot tell*.
A click on a small curve shows it large, with the band as a strip and each retrained model as a dashed line.

The page **Attack** shows on which images that number rests, what the same attack finds in retrained models, and the smallest leak it could have seen.

#### Why it goes as it goes
*Loss balance* has three sets of curves on one axis of steps: the **losses** (terms, gradient norms, their cosine, the share of each in the last move), the
**model** (accuracies, spread of the answers, attack, length and angle of representations), or **all**. *By layer* splits both gradients while the run stands still.
An **alarm** has a name, a sentence, the step it began and what to try; its mark ▼ is on the timeline and on every curve. It compares with retrained models, so
it is for whoever watches: LAF itself reads none of it.

**Knobs** are LAF's settings with the preset's value beside each. While paused, those of the two losses count from the next step, and the history marks it ◆; those
of the VAEs need another run. Scrub back and **Continue here** drops what came later; **Fork here** starts a second run from that step, drawn over the first
in diamonds and dashes, with its difference in every read-out: turn its knobs, then play. Whoever picks a step because its figures look well
has read labels and references, which LAF must not: such a run is marked *chosen by eye*.
**Slow** plays about a step a second and names each stage. The arrows show a whole step: a frame is taken after both losses.

#### Other methods
Under *Forget*, any method can be played in the same way: *Do nothing* is the row to beat; those that *read labels* know more than LAF does.
A method with its *own original* trains another model first, so its map is another one.

#### Keys
space: play or pause · → : one step · shift → : ten steps · home: reset. On the timeline: arrows, page keys, home and end scrub; c continues and f forks at the shown step.
On the map: + − zoom, 0 fits, [ and ] walk through the forgotten images.
L, B and P choose lasso, box and pan; shift-drag draws a lasso while panning; with a lasso or box, shift adds, alt subtracts, both intersect; escape clears.
On the page Lessons: N goes on, shift N back, D does the step's move in the Lab.
In the gallery: arrows move, space picks or drops, shift and space picks a range.
"""
    )
