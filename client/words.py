"""What the client says, in English, or in Chinese where the environment asks."""

from __future__ import annotations

import os


def language() -> str:
    """Return the language as HTTP calls it (POSIX: the first of these that is set)."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh-hans" if value.lower().startswith("zh") else "en"
    return "en"


def words(english: str) -> str:
    """Return a text in the reader's language."""
    return CHINESE.get(english, english) if language() == "zh-hans" else english


# ruff: noqa: E501 (a text and its translation stand side by side)
CHINESE: dict[str, str] = {
    # What went wrong
    "{url!r} is no URL of a service; it looks like https://….": "{url!r} 不是服务地址，应形如 https://…。",
    "A password never stands in the URL.": "网址中不能写密码。",
    "A key is one word of printable ASCII characters.": "密钥是一串可打印的 ASCII 字符，中间没有空格。",
    "Say which service: resource-sync login URL, or set {name}.": "请指明服务：resource-sync login URL，或设置 {name}。",
    "Say which service: resource-sync login URL": "请指明服务：resource-sync login URL",
    "No key for {url}: resource-sync login, or set {name}.": "没有 {url} 的密钥：请执行 resource-sync login，或设置 {name}。",
    "Others may read {file}: chmod 600 it, or log in again.": "其他用户可以读取 {file}：请执行 chmod 600，或重新登录。",
    "{file} can't be read: log in again.": "无法读取 {file}：请重新登录。",
    "The service sends us elsewhere: log in with the URL {where}": "服务要求改用其他地址：请用 {where} 登录",
    "HTTP {status}, from something that is no Resource Sync.": "HTTP {status}，应答者不是 Resource Sync。",
    "{url} answers, but is no Resource Sync.": "{url} 有应答，但不是 Resource Sync。",
    "Cannot reach {url}: {reason}.": "无法连接 {url}：{reason}。",
    "The connection was cut.": "连接已断开。",
    "Trying again…": "正在重试……",
    "Connected again.": "已重新连接。",
    "The lines differ from those of the service: see its page.": "收到的行与服务端的不一致：请查看任务页面。",
    "A parameter is written name=value, not {word!r}.": "参数写作 name=value，而不是 {word!r}。",
    "No task's id begins with {text!r}.": "没有 ID 以 {text!r} 开头的任务。",
    "Several tasks' ids begin with {text!r}; give more of it.": "多个任务的 ID 以 {text!r} 开头，请再多写几位。",
    "Say either one TASK, or which: --status, --type, ….": "请指定一个 TASK，或用 --status、--type 等条件筛选。",
    "No task is found that this could be done to.": "没有符合条件、可执行此操作的任务。",
    "Nothing was done.": "未执行任何操作。",
    "Say --yes where nobody can be asked.": "无法询问时，请加 --yes。",
    # What goes on
    "Tasks to cancel: {n}. Go on? [y/N] ": "将取消 {n} 个任务，是否继续？[y/N] ",
    "Tasks to run again: {n}. Go on? [y/N] ": "将重新运行 {n} 个任务，是否继续？[y/N] ",
    "Filters go with no parameters, and with none of {names}.": "使用筛选条件时不能带参数，也不能用 {names}。",
    "Not {n} of them: {reason}": "其中 {n} 个无法执行：{reason}",
    "Started: {page}": "已启动：{page}",
    "queued": "排队中",
    "awaiting approval": "等待审批",
    "Awaiting approval by {groups}: {message}": "等待 {groups} 审批：{message}",
    "To approve it: {command}": "批准：{command}",
    "No longer following; the task goes on. To cancel it: {command}": "已停止跟踪，任务仍在运行。要取消任务：{command}",
    "Cancelling the task; Ctrl-C again leaves it.": "正在取消任务；再按一次 Ctrl-C 则不再等待。",
    "URL of the service: ": "服务地址：",
    "Key for {url} (from its administration, API keys): ": "{url} 的密钥（见管理后台的“API 密钥”）：",
    "Over http:// everybody on the way can read the key.": "经 http:// 传输时，途中任何人都能看到密钥。",
    "Logged in to {url}; the key is kept in {file}.": "已登录 {url}，密钥保存在 {file}。",
    "The service is {theirs}, this client {ours}. Get the new one: ": "服务版本为 {theirs}，本客户端为 {ours}。获取新版本：",
    "from the source": "源代码",
    # Tables
    "Type": "类型",
    "Title": "名称",
    "Parameters": "参数",
    "Id": "ID",
    "Status": "状态",
    "Progress": "进度",
    "By": "发起人",
    "Age": "距今",
    "Platform": "平台",
    "Channel": "渠道",
    "Version": "版本",
    "Rollout": "灰度",
    "Since": "上线距今",
    "Files": "文件",
    "Size": "大小",
    "added": "新增",
    "changed": "修改",
    "moved": "移动",
    "removed": "删除",
    "unchanged": "未变",
    "players on {version} download": "{version} 的玩家需下载",
    # Help
    "Start release tasks, and watch every line of them.": "启动发布任务，并查看每一行输出。",
    "Exit code: 0 completed, 1 failed, 130 cancelled or Ctrl-C, 2 not understood, 3 refused or not reached.": "退出码：0 已完成，1 失败，130 已取消或按了 Ctrl-C，2 无法理解，3 被拒绝或无法连接。",
    "keep URL and key; the key is asked for, or comes from standard input or {name}": "保存服务地址和密钥；密钥会询问，也可来自标准输入或 {name}",
    "what can be started": "可启动的任务类型",
    "start a task": "启动任务",
    "print a task's lines until it has ended": "输出任务的日志，直到任务结束",
    "the newest tasks": "最新的任务",
    "print a task's log as it is now": "输出任务目前的日志",
    "cancel a task, or all that filters find": "取消一个任务，或筛选出的全部任务",
    "run a task again, or all that filters find": "以相同参数重新运行一个任务，或筛选出的全部任务",
    "all that the filters find, without a question": "不询问，直接对筛选出的全部任务执行",
    "approve what a task asks": "批准任务的请求",
    "reject it": "驳回",
    "what is live": "线上版本",
    "what a version changes": "版本的变更",
    "print the completion for a shell": "输出 shell 补全脚本",
    "name=value; @- reads the value from standard input": "name=value；@- 表示从标准输入读取值",
    "print its lines until it has ended": "输出日志，直到任务结束",
    "wait for its end without its lines": "等待任务结束，不输出日志",
    "Ctrl-C and SIGTERM cancel the task": "Ctrl-C 和 SIGTERM 会取消任务",
    "one key for one task, however often it is sent": "同一个幂等键只启动一个任务",
    "its id, or the beginning": "任务 ID，或其开头",
    "begin with the newest N lines": "从最新的 N 行开始",
    "kill its processes at once": "立即终止其进程",
    "begin with this step": "从这一步开始",
    "why": "理由",
    "print JSON": "输出 JSON",
    "how long to try again while the service is away": "服务不可用时重试多久",
    "print the version, and whether it fits the service": "输出版本，并检查与服务是否匹配",
}  # fmt: skip
