"""The page Guide: how to read the Lab's pictures and figures, and what they do not show."""

from __future__ import annotations

import streamlit as st

st.title("How to read the Lab", anchor=False)
what, how = st.columns(2, gap="large")
with what:
    st.markdown(
        r"""
#### What happens
A classifier $g_D = g_D^c \circ g_D^e$ was trained on data $D$. Some of it, $D_f$, must be **forgotten**. The rest, $D_r$, must
**remain**. The sure way is to train again without $D_f$. *Label-Agnostic Forgetting* (LAF, arXiv 2404.00506) changes only
the extractor $g^e$ and reads no label:

1. Two variational autoencoders learn representations: $h$ those of all images in $D$, $h_f$ those of $D_f$.
2. Each **step** takes one batch $B_r$ of $D_r$ and one batch $B_f$ of $D_f$. It then updates the extractor by two losses:
"""
    )
    st.latex(
        r"L_{UE} = \sum_{x\in B_r}\varphi\big(m(e,h(e))\big) - \sum_{x\in B_f}\varphi\big(m(e,h_f(e))\big)"
    )
    st.latex(r"L_{RA} = \sum_{x\in B_r} d(x) \;-\; |B_r|\,\log\!\sum_{x'\in B_f}\exp\big(d(x')/\tau\big)")
    st.markdown(
        r"""
$m$ is the squared error of a reconstruction, and $\varphi(m)=e^{\,m/(m+1)}$ bounds it. $d(x) = 1-\cos(e_U(x), e_D(x))$ measures how far a
representation has turned from that of the original model. $L_{UE}$ makes $h_f$ fail on $D_f$. $L_{RA}$ keeps the direction of $D_r$
and turns $D_f$ away. The two losses can work against each other: watch the **cosine** between their gradients.

#### What "forgotten" means
A model has forgotten if it is **close to a retrained model, in both directions**; a low accuracy alone does not show that. Retrained models
differ from one another. The Lab therefore retrains several on $D_r$ in the background: 5 on digits, 3 on other data, the first of them from the
original's initial weights. For every read-out it shows the **band** in which one more retrained model is expected with 95 % probability,
$\bar v \pm t_{k-1}\,s\,\sqrt{1+1/k}$, and the place of the model in it. *Inside, 62nd* is the 62nd percentile of that distribution.
Only figures inside the band are green. With one retrained model there is no band yet.

The accuracy on a class can be zero while all forgotten images still get the same answer. A retrained model would spread its answers.
*One answer* and *distance to retrained* show this difference.
Sometimes doing nothing is closer to retraining than unlearning is. The page says so.
"""
    )
with how:
    st.markdown(
        r"""
#### Two maps, two questions
**Fixed map**: where would the *original* model's map put this representation? Each point is placed among its nearest neighbours by angle,
so a point moves only if the model moved it. A faded, ringed point is far from every representation of the original.
**Follow**: which images are neighbours *now*? A short UMAP layout starts from the frame before. It shows new clusters, but
it has measurement noise: points drift a little although nothing moved.

Distances on either map have no unit. The page therefore gives movement as an **angle**, and compares it with the angle by which the remaining
images turned in the same time. A tight group does not mean memory: the retrained model, which never saw the class, groups it too.
Before you conclude anything from a picture, switch to *retrained* or turn on *all 5*. The cloud shows where each retrained model puts
the same images, after its coordinates were rotated to fit the original's. The legend says how well that rotation fits other images.

#### Choosing what to forget
On the page **Forget set**, draw a lasso around points of the original model's map, or pick thumbnails. *Most memorised* is a cheap
estimate: the model's confidence in the image's own label, minus the share of its 10 nearest other images with that label,
$p(y_i\mid x_i) - \frac{1}{10}\,|\{j\in N(i): y_j=y_i\}|$. *Most mistaken* means the highest loss. *Near-duplicates* of forgotten images would stay
in $D_r$, and the model would learn the same from them. The map shows at most 2,000 images; the gallery shows all.

#### The read-outs
| name | symbol | is |
|---|---|---|
| remaining, train / test | Train_r, Test_r | accuracy on the images that stay |
| forgotten, train / test | Train_f, Test_f | accuracy on the images to forget, by the labels that the original was trained on |
| true labels, train | clean_f | for noisy labels: accuracy on the mislabelled images by their true labels; this is the main figure there |
| planted sign | | for planted data: mean probability of the answer that only the plant teaches |
| forgotten, one answer | max share | share of the forgotten images that get the most common answer |
| distance to retrained | JS | Jensen-Shannon divergence on the forgotten images: 0 for the same answers, 0.69 for none in common; the band shows the distances between retrained models |
| AUC, learned | AUC | how well an attacker tells forgotten training images from test images of the same classes; 0.5: not at all |

With few images an AUC is uncertain by ± 0.1. If its interval overlaps the band, but the AUC itself is outside, the page says *cannot tell*.
Click a small curve to enlarge it. The band is then a strip, and each retrained model a dashed line.

The page **Attack** shows the images behind that number, what the same attack finds in retrained models, and the smallest leak it could have found.

#### Why the curves look this way
*Loss balance* has three sets of curves over the steps. The **losses** are terms, gradient norms, their cosine and each loss's share of the step.
The **model** curves are accuracies, spread of the answers, attack, length and angle of representations. **All** shows both.
While the run is paused, *By layer* splits both gradients.
An **alarm** has a name, a sentence, the step at which it began and advice. Its mark ▼ is on the timeline and on every curve. Alarms use
retrained models, so they are for you only: LAF itself reads none of this.

**Knobs** are LAF's settings, each with the preset's value. While the run is paused, you can change those of the two losses. They apply from the next
step, and the history marks it with ◆. A change to the VAEs needs a new run. To go back, scrub to a step. **Continue here** then drops
all later steps. **Fork here** starts a second run from that step. It is drawn over the first in diamonds and dashes, and every read-out shows the difference.
Change its knobs, then play. Choosing a step by its figures uses labels and retrained models, which LAF must not do. Such a run is marked *chosen by eye*.
**Slow** plays about one step a second and names each stage. The arrows show a whole step: a frame is taken after both losses.

#### Other methods
Under *Forget*, you can choose any other method. *Do nothing* is the row to beat. Methods that *read labels* know more than LAF does.
A method with its *own original* trains another model first, so it has another map.

#### Keys
space: play or pause · → : one step · shift → : ten steps · home: reset. On the timeline: arrows, page keys, home and end scrub; c continues and f forks at the shown step.
On the map: + and − zoom, 0 fits, [ and ] select the previous and next forgotten image.
L, B and P choose lasso, box and pan. Shift-drag draws a lasso while panning. With a lasso or box, shift adds, alt subtracts, both intersect. Escape clears.
On the page Lessons: N goes to the next step, shift N back, D makes the step's move in the Lab.
In the gallery: arrows move, space picks or drops, shift and space picks a range.
"""
    )
