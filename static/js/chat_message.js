// What is told of a task's failure in a chat, each in the marks that it understands:
// Slack's own, and the Markdown of Feishu, DingTalk and WeCom.
// https://docs.slack.dev/messaging/formatting-message-text
// https://open.feishu.cn/document/common-capabilities/message-card/message-cards-content/using-markdown-tags
// https://open.dingtalk.com/document/orgapp/message-types-and-data-format
// https://developer.work.weixin.qq.com/document/path/91770

const MARKDOWN = {
  escape: (words) => words,
  bold: (words) => `**${words}**`,
  link: (words, url) => `[${words.replace(/[[\]]/g, "")}](${url})`,
  newline: "\n",
};

export const CHATS = {
  slack: {
    escape: (words) =>
      words.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;"),
    bold: (words) => `*${words}*`,
    link: (words, url) => `<${url}|${words}>`,
    newline: "\n",
  },
  feishu: MARKDOWN,
  dingtalk: { ...MARKDOWN, newline: "\n\n" }, // one alone is a blank there
  wecom: MARKDOWN,
};

// facts: headline; cause (the program's own words, or ""), sentence, by; url and the
// words of its link
export function messageFor(chat, { headline, cause, sentence, by, link, url }) {
  const marks = CHATS[chat];
  const quoted = cause && `> ${marks.escape(oneLine(cause))}`;
  return [
    marks.bold(marks.escape(headline)),
    quoted,
    [sentence, by].filter(Boolean).map(oneLine).map(marks.escape).join(" · "),
    marks.link(marks.escape(link), url),
  ]
    .filter(Boolean)
    .join(marks.newline);
}

function oneLine(words) {
  return words.replace(/\s+/g, " ").trim();
}
