brand = 山海
shell-home = 山海，回到工作列表
shell-skip = 跳到正文
shell-nav = 主导航
shell-work = 工作列表
shell-cases = 病例
shell-inbox = 待归档文件
shell-audit = 访问审计
shell-hospital = 本院
shell-notices = { $count ->
    [0] 通知
   *[other] 通知，{ $count } 条未读
}
shell-menu = 菜单：
shell-account = 账号
shell-sign-out = 退出登录
shell-foot = 山海 · 肢体创伤与修复重建病例登记
shell-offline = 网络已断开。您填写的内容保留在本页，恢复连接后自动保存。
shell-request-failed = 没有成功。您填写的内容还在，请再试一次。
shell-session-ended = 登录已过期。请在新窗口重新登录，您填写的内容仍保留在本页。
shell-session-link = 重新登录
shell-keys-title = 快捷键
shell-keys-list = 工作列表
shell-keys-new = 新建病例
shell-keys-search = 搜索
shell-keys-this = 打开本页
shell-keys-on = 启用快捷键
shell-keys-close = 关闭
shell-signed-in = 已重新登录。请关闭此窗口，回到原来的页面继续。

language-name = 中文
zone-asia-shanghai = 北京时间
zone-asia-urumqi = 新疆时间
zone-utc = UTC
