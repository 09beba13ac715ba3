// What the page says, in its languages. `{name}` is replaced.

const EN = {
  brand: "FreeIM",
  signInTitle: "Sign in to the demo",
  signInHint: "Any name will do. Open another browser and be somebody else there; sign in as “admin” to be the administrator.",
  name: "Your name",
  signIn: "Sign in",
  signOut: "Sign out",
  skip: "Skip to the conversation",
  conversations: "Conversations",
  rooms: "Rooms",
  people: "People",
  newRoom: "New room",
  roomName: "Name of the room",
  topic: "Topic",
  create: "Create",
  cancel: "Cancel",
  close: "Close",
  back: "All conversations",
  join: "Join",
  leave: "Leave",
  joinHint: "You see what is said here once you have joined.",
  members: "{n} members",
  members_1: "1 member",
  membersOf: "Members of {name}",
  here: "{n} here",
  online: "online",
  offline: "offline",
  you: "you",
  unread: "{n} unread",
  message: "Message",
  writeTo: "Write to {name}",
  send: "Send",
  attach: "Send a file",
  kick: "Send away",
  kickHint: "Close all connections of {name}",
  ask: "Ask to be friends",
  askHint: "You can write to {name} once you are friends.",
  asked: "You asked {name} to be your friend. You can write as soon as they accept.",
  asks: "{name} would like to be your friend.",
  wantsYou: "wants to be your friend",
  accept: "Accept",
  decline: "Decline",
  unfriend: "Remove friend",
  emptyTalk: "Nothing was said here yet.",
  emptyTalkHint: "Say hello!",
  pickTitle: "Pick a conversation",
  pickHint: "Rooms and people are in the list.",
  nobody: "Nobody else yet. Open this page in another browser.",
  today: "Today",
  yesterday: "Yesterday",
  older: "Older messages",
  marks_sending: "sending",
  marks_sent: "sent",
  marks_delivered: "delivered",
  marks_offline: "offline",
  marks_failed: "not sent",
  state_connecting: "connecting",
  state_open: "online",
  state_waiting: "offline, trying again",
  state_closed: "disconnected",
  reconnect: "Connect again",
  closed_4410: "You were sent away.",
  closed_4410_by: "You were sent away by {by}.",
  closed_4401: "The server did not accept this page's address.",
  closed_1000: "The connection was closed.",
  closed: "The server closed the connection (code {code}).",
  closedHint: "This page does not come back by itself.",
  away: "The WebApi does not answer, try again.",
  sendingFile: "{name} is sending {file} … {percent} %",
  brokenFile: "{name} could not finish sending {file}.",
  uploading: "Sending {file} … {percent} %",
  uploadBroken: "{file} was not sent.",
  broadcast: "Message to everybody",
  broadcastFrom: "{name} to everybody",
  dark: "Dark colours",
  light: "Light colours",
  language: "中文",
  drawing: "Architecture",
  drawingHint: "Every message of yours lights up its way.",
  browser: "Your browser",
  webapi: "WebApi",
  redis: "Redis",
  relay: "Relay node",
  process: "process {pid}",
  up: "up {time}",
  socket: "your WebSocket: open {time}",
  noSocket: "your WebSocket: closed",
  restart: "Restart the WebApi",
  restarting: "Restarting …",
  restarted: "The WebApi is a new process ({pid}); no socket was closed.",
  step_request: "request",
  step_publish: "publish",
  step_push: "push",
  step_receipt: "receipt",
  step_received: "received",
  error_not_friends: "You are not friends.",
  error_not_member: "You are not in this room.",
  error_too_big: "The file is too big.",
  error_too_many: "Too many at once, try again in a moment.",
  error_room_exists: "There is a room of that name.",
  error_kicked: "An administrator sent you away. Try again in a minute.",
  error_redis_down: "Redis does not answer, try again.",
  error_not_signed_in: "Sign in again.",
};

const ZH = {
  brand: "FreeIM",
  signInTitle: "登录演示",
  signInHint: "任意名字都可以。在另一个浏览器里可以用另一个名字登录;以 “admin” 登录即为管理员。",
  name: "你的名字",
  signIn: "登录",
  signOut: "退出",
  skip: "跳到对话",
  conversations: "会话",
  rooms: "聊天室",
  people: "联系人",
  newRoom: "新建聊天室",
  roomName: "聊天室名称",
  topic: "主题",
  create: "创建",
  cancel: "取消",
  close: "关闭",
  back: "全部会话",
  join: "加入",
  leave: "离开",
  joinHint: "加入之后就能看到这里的消息。",
  members: "{n} 名成员",
  membersOf: "{name} 的成员",
  here: "{n} 人在线",
  online: "在线",
  offline: "离线",
  you: "我",
  unread: "{n} 条未读",
  message: "消息",
  writeTo: "发消息给 {name}",
  send: "发送",
  attach: "发送文件",
  kick: "踢下线",
  kickHint: "关闭 {name} 的所有连接",
  ask: "加为好友",
  askHint: "成为好友后才能给 {name} 发消息。",
  asked: "已向 {name} 发出好友请求,对方接受后即可发消息。",
  asks: "{name} 想加你为好友。",
  wantsYou: "想加你为好友",
  accept: "接受",
  decline: "拒绝",
  unfriend: "删除好友",
  emptyTalk: "这里还没有消息。",
  emptyTalkHint: "打个招呼吧!",
  pickTitle: "选择一个会话",
  pickHint: "聊天室和联系人在列表里。",
  nobody: "还没有其他人。请在另一个浏览器里打开本页。",
  today: "今天",
  yesterday: "昨天",
  older: "更早的消息",
  marks_sending: "发送中",
  marks_sent: "已发送",
  marks_delivered: "已送达",
  marks_offline: "对方不在线",
  marks_failed: "未发送",
  state_connecting: "连接中",
  state_open: "在线",
  state_waiting: "离线,正在重试",
  state_closed: "已断开",
  reconnect: "重新连接",
  closed_4410: "你已被踢下线。",
  closed_4410_by: "你已被 {by} 踢下线。",
  closed_4401: "服务器没有接受本页的地址。",
  closed_1000: "连接已关闭。",
  closed: "服务器关闭了连接(代码 {code})。",
  closedHint: "本页不会自动重新连接。",
  away: "WebApi 没有响应,请重试。",
  sendingFile: "{name} 正在给你传送 {file} … {percent} %",
  brokenFile: "{name} 传送 {file} 中断了。",
  uploading: "正在传送 {file} … {percent} %",
  uploadBroken: "{file} 未能送出。",
  broadcast: "发给所有人",
  broadcastFrom: "{name} 发给所有人",
  dark: "深色",
  light: "浅色",
  language: "English",
  drawing: "架构图",
  drawingHint: "你发出的每条消息都会照亮它走过的路。",
  browser: "你的浏览器",
  webapi: "WebApi",
  redis: "Redis",
  relay: "转发节点",
  process: "进程 {pid}",
  up: "已运行 {time}",
  socket: "你的 WebSocket:已打开 {time}",
  noSocket: "你的 WebSocket:已关闭",
  restart: "重启 WebApi",
  restarting: "正在重启 …",
  restarted: "WebApi 已是新进程({pid}),没有任何连接断开。",
  step_request: "请求",
  step_publish: "发布",
  step_push: "推送",
  step_receipt: "回执",
  step_received: "收到",
  error_not_friends: "你们还不是好友。",
  error_not_member: "你不在这个聊天室里。",
  error_too_big: "文件太大。",
  error_too_many: "同时进行的太多,请稍后再试。",
  error_room_exists: "已有同名聊天室。",
  error_kicked: "管理员已将你踢下线,请一分钟后再试。",
  error_redis_down: "Redis 没有响应,请重试。",
  error_not_signed_in: "请重新登录。",
};

export const LANGUAGES = { en: EN, zh: ZH };
export let language = "en";

export function t(key, values = {}) {
  const texts = LANGUAGES[language];
  const one = values.n === 1 ? texts[`${key}_1`] : undefined;
  const text = one ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

export const has = (key) => key in EN;

// Sets the language, and what stands in the page from the start in it.
export function speak(name) {
  language = name in LANGUAGES ? name : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-t]")) {
    element.textContent = t(element.dataset.t);
  }
  for (const element of document.querySelectorAll("[data-t-label]")) {
    const label = t(element.dataset.tLabel);
    element.setAttribute("aria-label", label);
    if (element.matches("button")) element.title = label;
    if ("placeholder" in element) element.placeholder = label;
  }
}

const locale = () => document.documentElement.lang;

export function clock(at) {
  return new Date(at).toLocaleTimeString(locale(), { hour: "2-digit", minute: "2-digit" });
}

export function day(at) {
  const midnight = (date) => new Date(date).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(Date.now()) - midnight(at)) / 86_400_000);
  if (days < 2) return t(days < 1 ? "today" : "yesterday");
  return new Date(at).toLocaleDateString(locale(), { dateStyle: "medium" });
}

export function size(bytes) {
  const kib = bytes / 1024;
  if (kib < 1) return `${bytes} B`;
  return kib < 1024 ? `${kib.toFixed(0)} KiB` : `${(kib / 1024).toFixed(1)} MiB`;
}

export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return `${hours ? `${hours}:${two(minutes)}` : minutes}:${two(seconds % 60)}`;
}
