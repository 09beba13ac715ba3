// Where everything stands in the drawing: numbers only, so that it can be thought about.

const MOST_GUESTS = 4; // people shown at one node

// Wide: from left to right. Tall, for phones: from top to bottom.
const WIDE = {
  size: [960, 262],
  me: [16, 74, 150, 84],
  webapi: [252, 74, 150, 84],
  redis: [488, 74, 112, 84],
  node: (index, count) => {
    const step = 230 / count;
    return [690, 1 + step * index + (step - 70) / 2, 132, 70];
  },
  guest: ([x, y, width, height], index, count) => {
    const top = y + height / 2 - (count - 1) * 14;
    return [x + width + 62, top + index * 28];
  },
  leave: "right",
  enter: "left",
  // Round the others, down to the bottom and back to the left.
  socket: ([x, y, width, height], [mx, my, mwidth, mheight], isLast) => {
    const end = `${mx + mwidth / 2} ${my + mheight}`;
    if (isLast) {
      return `M${x + width / 2} ${y + height} C${x} 272 ${mx + mwidth * 1.6} 276 ${end}`;
    }
    const low = y + height - 12;
    return `M${x} ${low} C${x - 90} ${low} ${x - 30} 248 ${x - 210} 248 S${end} ${end}`;
  },
};

const TALL = {
  size: [340, 560],
  me: [86, 8, 168, 72],
  webapi: [86, 128, 168, 72],
  redis: [110, 248, 120, 72],
  node: (index, count) => {
    const step = 320 / count;
    return [10 + step * index + (step - 140) / 2, 366, 140, 66];
  },
  guest: ([x, y, , height], index) => [x + 8, y + height + 26 + index * 26],
  leave: "bottom",
  enter: "top",
  socket: ([x, y, width], [mx, my, mwidth, mheight], isLast) => {
    const side = isLast ? 334 : 6;
    const from = isLast ? x + width - 8 : x + 8;
    const to = isLast ? mx + mwidth : mx;
    return `M${from} ${y} C${side} 320 ${side} 140 ${to} ${my + mheight / 2}`;
  },
};

const SIDES = {
  left: ([x, y, , height]) => [x, y + height / 2],
  right: ([x, y, width, height]) => [x + width, y + height / 2],
  top: ([x, y, width]) => [x + width / 2, y],
  bottom: ([x, y, width, height]) => [x + width / 2, y + height],
};

// people: [{ id, name, node, … }] who are online, me left out.
export function planFor(isTall, nodes, people, myNode) {
  const form = isTall ? TALL : WIDE;
  const out = (box) => SIDES[form.leave](box);
  const into = (box) => SIDES[form.enter](box);
  const { me, webapi, redis } = form;
  const placed = nodes.map((name, index) => {
    const box = form.node(index, nodes.length);
    const all = people.filter(({ node }) => node === name);
    const shown = all.slice(0, MOST_GUESTS);
    const guests = shown.map((person, at) => ({
      ...{ person, at: form.guest(box, at, shown.length) },
    }));
    return { name, box, guests, more: all.length - shown.length };
  });
  const lines = {
    request: straight(out(me), into(webapi)),
    publish: straight(out(webapi), into(redis)),
  };
  for (const [index, { name, box, guests }] of placed.entries()) {
    lines[`message ${name}`] = bent(out(redis), into(box), isTall);
    if (name === myNode) lines.socket = form.socket(box, me, index === nodes.length - 1);
    for (const { person, at } of guests) {
      const [x, y] = at;
      const end = isTall ? [x + 1, y] : [x - 14, y];
      lines[`push ${person.id}`] = isTall
        ? straight([x + 1, box[1] + box[3]], end)
        : bent(out(box), end, isTall);
    }
  }
  return { size: form.size, me, webapi, redis, nodes: placed, lines };
}

const straight = ([x, y], [toX, toY]) => `M${x} ${y} L${toX} ${toY}`;

function bent([x, y], [toX, toY], isTall) {
  const [midX, midY] = [(x + toX) / 2, (y + toY) / 2];
  return isTall
    ? `M${x} ${y} C${x} ${midY} ${toX} ${midY} ${toX} ${toY}`
    : `M${x} ${y} C${midX} ${y} ${midX} ${toY} ${toX} ${toY}`;
}
