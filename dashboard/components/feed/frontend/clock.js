/** The shown frame: live behind the newest, chosen by hand, or replayed; a fraction lies between two frames. */

const PLAY_RATE = 12; // frames a second at 1×
const LEAP = 40; // the newest frame is shown at once if it is farther ahead
const [LATE, REST, LONGEST] = [8, 12, 400]; // with other players: ms a picture may be late; then the pause is REST times the lateness, at most LONGEST ms
const [FASTEST, SLOWEST] = [60, 1200]; // limits of the pace, in ms between arrivals

export const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Clock {
  constructor(store) {
    this.store = store;
    this.gentle = false; // true while other tabs play on this server: a browser on the same machine must leave them its cores
    this.late = 0; // lateness of pictures in ms, smoothed
    this.reset();
  }

  reset() {
    this.position = 0;
    this.live = true;
    this.playing = 0; // speed, or 0
    this.motion = null;
    this.pace = 150; // ms between arrivals, smoothed
    this.lastArrival = 0;
    this.lastShown = -1;
  }

  get cursor() { return Math.max(0, Math.round(this.position)); }

  /** Move smoothly to the newest frame, in about the time until the next arrival. */
  arrived() {
    const now = performance.now();
    if (this.lastArrival) {
      const gap = Math.min(SLOWEST, Math.max(FASTEST, now - this.lastArrival));
      this.pace += 0.3 * (gap - this.pace);
    }
    this.lastArrival = now;
    if (!this.live) return;
    const { newest } = this.store;
    if (newest - this.position > LEAP || calm.matches || document.hidden) this.#moveTo(newest);
    else {
      this.motion = { from: this.position, to: newest, start: now, span: this.pace * 1.15 };
      this.#run();
    }
  }

  /** Show one frame and stay there. */
  show(seq) {
    const target = Math.max(0, Math.min(this.store.newest, Math.round(seq)));
    this.#set(false, 0);
    this.motion = null;
    this.#moveTo(target);
  }

  goLive() {
    this.#set(true, 0);
    this.motion = null;
    this.#moveTo(Math.max(0, this.store.newest));
  }

  playBack(speed = 1) {
    if (this.store.newest < 1) return;
    if (!this.playing && this.position >= this.store.newest - 0.01) this.#moveTo(0);
    this.motion = null;
    this.#set(false, speed);
    this.#run();
  }

  stop() {
    this.#set(this.live, 0);
  }

  #set(live, playing) {
    const changed = live !== this.live || playing !== this.playing;
    this.live = live;
    this.playing = playing;
    if (changed) this.store.emit("live");
  }

  #moveTo(position) {
    this.position = position;
    this.store.emit("position");
    if (this.cursor === this.lastShown) return;
    this.lastShown = this.cursor;
    this.store.stats.framesShown += 1;
    this.store.emit("cursor");
  }

  #run() {
    if (this.running) return;
    this.running = true;
    this.lastTick = 0;
    this.#soon();
  }

  /** Request the next tick: with the screen's next picture, or after a pause. */
  #soon() {
    const rest = this.gentle && this.late > LATE ? Math.min(LONGEST, REST * this.late) : 0;
    const ask = () => {
      const asked = performance.now();
      requestAnimationFrame((now) => {
        this.late += 0.1 * (Math.max(0, performance.now() - asked - 17) - this.late);
        this.#tick(now);
      });
    };
    if (rest) setTimeout(ask, rest);
    else ask();
  }

  #tick(now) {
    const elapsed = this.lastTick ? Math.min(500, now - this.lastTick) : 16;
    this.lastTick = now;
    const { newest } = this.store;
    if (this.playing) {
      const next = this.position + (this.playing * PLAY_RATE * elapsed) / 1000;
      this.#moveTo(Math.min(newest, next));
      if (next >= newest) this.#set(true, 0);
    } else if (this.motion) {
      const { from, to, start, span } = this.motion;
      const share = Math.max(0, Math.min(1, (performance.now() - start) / span));
      if (share === 1) this.motion = null;
      this.#moveTo(from + (to - from) * share);
    }
    this.running = Boolean(this.playing || this.motion);
    if (this.running) this.#soon();
  }
}
