/** The images of a scene, cut from its one picture of all of them. */

export class Tiles {
  /** Load the picture; until it is there nothing is drawn. A scene without images has none. */
  async load(scene) {
    this.sheet = scene.sprite;
    this.atlas = null;
    if (!scene.atlas) return;
    const atlas = await createImageBitmap(new Blob([scene.atlas], { type: scene.sprite.mime }));
    if (this.sheet === scene.sprite) this.atlas = atlas; // another scene may have come meanwhile
  }

  /** Draw image i with its top left corner at a pixel. @param {number} side of the square that holds it */
  draw(context, i, x, y, side) {
    if (!this.atlas) return;
    const { columns, width, height } = this.sheet;
    const scale = side / Math.max(width, height);
    const [w, tall] = [width * scale, height * scale];
    context.imageSmoothingEnabled = scale < 1;
    context.drawImage(this.atlas, (i % columns) * width, Math.floor(i / columns) * height, width, height, x + (side - w) / 2, y + (side - tall) / 2, w, tall);
  }

  /** Fill a canvas with image i, at a whole multiple of its pixels where that is `least` or more. */
  fill(canvas, i, least) {
    if (!this.atlas) return;
    const side = Math.max(this.sheet.width, this.sheet.height);
    const large = Math.max(least, Math.round(least / side) * side);
    Object.assign(canvas, { width: large, height: large });
    this.draw(canvas.getContext("2d"), i, 0, 0, large);
  }
}
