// The camera's pictures, where they were asked for: a connection of its own, and only while somebody looks, as
// without it nothing is encoded.

import { address, byId, say } from "./dom.js";

const AGAIN_MS = 2000, OLD_MS = 3000;

let socket = null;
let shownMs = null;
let isWanted = () => false;

export function watchPictures(wanted) { // from now on, whenever `wanted` says so; called again when it might
  isWanted = wanted;
  if (socket || !isWanted()) return;
  socket = new WebSocket(address("/pictures"));
  socket.binaryType = "arraybuffer";
  socket.onmessage = (event) => draw(event.data);
  socket.onclose = () => { socket = null; setTimeout(() => watchPictures(isWanted), AGAIN_MS); };
}

export function leavePictures() {
  socket?.close();
}

export function notePictures(nowMs) { // what stands on the picture: nothing, while it moves
  say(byId("camera-note"), shownMs === null ? "no picture yet" : nowMs - shownMs > OLD_MS ? "no new picture" : "");
}

async function draw(data) {
  const head = new DataView(data), box = [0, 2, 4, 6].map((at) => head.getUint16(at));
  const image = await createImageBitmap(new Blob([data.slice(8)], { type: "image/jpeg" }));
  const canvas = byId("camera"), g = canvas.getContext("2d");
  canvas.width = image.width;
  canvas.height = image.height;
  g.drawImage(image, 0, 0);
  image.close();
  if (box[2]) {
    for (const [colour, width] of [["#000000", 5], ["#F0E442", 2.5]]) { // seen on any ground
      g.strokeStyle = colour;
      g.lineWidth = width;
      g.strokeRect(...box);
    }
  }
  shownMs = performance.now();
}
