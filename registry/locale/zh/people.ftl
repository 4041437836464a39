shell-people = 人员
shell-hospital-settings = 设置

people-add = 添加人员
people-add-go = 添加此人
people-add-by-two = 管理员和审计员须在添加后、于人员页面由两位管理员共同授予。
people-invite = 邮件邀请
people-search = 姓名或登录名
people-role = 角色
people-every-role = 全部角色
people-find = 查找
people-found = { $count } / { $total } 人
people-all = 显示全部
people-last = 最近登录
people-never = 从未登录
people-visitor = 账号属于外院
people-no-role = 无角色
people-no-phone = 无电话
people-nobody = 没有符合的人员
people-nobody-how = 请换用姓名的其他部分、拼音首字母，或选择其他角色。
people-disabled = 已停用（{ $count }）

person-known-as = 登录名 { $login }
person-elsewhere = 同时任职于
person-profile = 个人资料
person-profile-go = 保存资料
person-name-en = 姓名（拉丁字母）
person-name-en-help = 供使用英文的同行阅读。
person-phone = 电话
person-phone-help = 有人等待此人时，点一下即可拨打。
person-email = 电子邮箱
person-email-help = 凭此地址接受邀请。
person-title = 职称
person-specialty = 专业
person-specialty-none = 无
person-licence = 执业证书编号
person-since = 独立执业起始年份
person-green-short = 独立执业不足三年
person-green = { $years ->
    [0] 独立执业不足一年
   *[other] 独立执业 { $years } 年
}：为外院会诊的专家应有三年以上。
person-green-source = 《远程医疗服务管理规范（试行）》（国卫医发〔2018〕25号）。由谁会诊，由本院负责。
person-myself = 这是您本人。任何人都不能更改自己的权限，须由另一位管理员操作。
person-is-disabled = 已于 { $at } 停用。
person-role-held = ✓ 已有
person-role-give = 授予
person-role-take = 取消
person-role-propose = 提议
person-role-waits = 等待另一位管理员确认
person-two-hands = 管理员和审计员须由两人授予：一位管理员提议，另一位在七天内确认。
person-ways-in = 登录方式
person-factor = 身份验证器
person-factor-since = 设置于 { $at }
person-factor-none = 尚未设置
person-sessions = 当前登录
person-sessions-live = { $count ->
    [0] 未登录
   *[other] { $count } 台设备
}
person-sessions-end = 退出全部设备
person-enrol = 发放开通码
person-enrol-help = 凭开通码设置密码。已有身份验证器或通行密钥的人还须出示；丢失时请先停用。
person-retire = 停用丢失的验证器和通行密钥
person-peer = 管理员和审计员的身份验证器只能由运维人员更换：shanhai user reset { $login }
person-secret-made = { $name }的开通码
person-secret-how = 请在 { $days } 天内于 { $address } 输入。请当面或通过电话交给本人。
person-secret-once = 仅显示这一次。任何拿到它的人都可以使用。
person-disable-title = 停用
person-disable-help = 登录和令牌立即失效，此人写下的内容保留。
person-disable = 停用{ $name }
person-enable-title = 恢复
person-enable-help = 此人须重新登录；原有登录和令牌不再恢复。
person-enable = 恢复
person-enable-by-two = 恢复管理员须由两人操作。
person-enable-propose = 提议恢复

account-language-only = 语言
account-details-go = 保存

role-surgeon-does = 新建病例、邀请会诊、作出决定
role-nurse-does = 填写观察表和随访、拍摄照片
role-expert-does = 阅读外院病例、签署会诊意见
role-coordinator-does = 分派会诊、维护值班表
role-learner-does = 学习已开放的教学病例
role-administrator-does = 管理人员、协议和设备
role-auditor-does = 查看谁在何时访问了什么，看不到临床内容

proposals-title = 等待另一位管理员
proposal-give-role-administrator = 授予{ $person }管理员角色
proposal-give-role-auditor = 授予{ $person }审计员角色
proposal-enable-person = 恢复管理员{ $person }
proposal-separate-duties = 管理员与审计员职责分离
proposal-join-duties = 管理员兼任审计
proposal-by = { $name }，{ $at }
proposal-until = 有效期至 { $at }
proposal-mine = 须由另一位管理员确认。
proposal-alone = 本院没有第二位管理员，请运维人员确认：shanhai user approve
proposal-about-me = 这与您本人有关，须由另一位管理员确认。
proposal-confirm = 确认
proposal-refuse = 不同意
proposal-withdraw = 撤回

invitations-title = 邀请
invitations-made = 已发出的邀请
invitations-none = 还没有邀请。
invitation-new = 邀请加入本院
invitation-new-help = 适用于新同事，或在外院已有账号的人：原账号保留，可同时在本院工作。
invitation-email = 电子邮箱
invitation-email-help = 只有使用该地址的人才能接受。
invitation-go = 生成邀请
invitation-made = 给 { $email } 的邀请
invitation-made-how = 只能使用一次，有效期至 { $until }。
invitation-mail = 撰写邮件
invitation-mail-subject = { $hospital }的邀请
invitation-mail-body =
    { $hospital }邀请您使用山海。

    请打开 { $address } 并输入邀请码：

    { $code }

    邀请码只能使用一次，有效期至 { $until }，仅限此邮箱地址。
invitation-withdraw = 撤回
invitation-state-open = 待接受
invitation-state-accepted = 已接受
invitation-state-withdrawn = 已撤回
invitation-state-expired = 已过期
invitation-enter-title = 接受邀请
invitation-enter-lead = 请输入邀请中的邀请码。
invitation-code = 邀请码
invitation-code-help = 不区分大小写，空格和连字符可省略。
invitation-not-found-next = 可能已使用、已撤回或已过期。请向邀请人索取新的邀请码。
invitation-to-hospital = { $hospital }邀请您
invitation-to-hospital-lead = { $by }邀请您在该院担任：
invitation-to-case = { $hospital }请您会诊
invitation-to-case-lead = { $by }邀请您以{ $there }专家的身份查看一份病例。您看不到患者身份。
invitation-for-address = 此邀请发给 { $email }。
invitation-have = 我已有账号
invitation-have-help = 在外院，且账号的邮箱为此地址。
invitation-accept = 接受
invitation-accept-sign-in = 登录并接受
invitation-other-account = 您账号的邮箱与此不同，可请贵院管理员更正。
invitation-new-account = 我还没有账号
invitation-make-account = 创建账号
invitation-account-made = 账号已创建
invitation-account-made-next = 您的登录名是 { $login }。现在请用下面的开通码设置密码和身份验证器。
invitation-account-made-until = { $days } 天内有效，网址 { $address }
invitation-enrol = 设置密码

invite-title = 邀请另一位专家
invite-help = 在已邀请的医院之外，请一位合作医院的专家。对方可阅读病例并签署会诊意见，看不到患者身份。
invite-hospital = 医院

settings-hospital = 本院
settings-name = 名称
settings-city = 城市
settings-zone = 时区
settings-idle = 无操作自动退出
settings-idle-minutes = { $count } 分钟后
settings-absolute = 最长登录时间
settings-absolute-hours = { $count } 小时
settings-by-operator = 由本服务器的运维人员设定。
settings-duties = 职责分离
settings-duties-off = 管理员兼任审计。
settings-duties-on = 管理员负责管理，审计员负责审计，任何人不得兼任。
settings-duties-help = 等级保护三级要求由不同的人担任。分离后管理员不再能使用审计页面，任何人不能同时担任两种角色。切换须由两位管理员操作。
settings-duties-separate = 提议分离
settings-duties-join = 提议由管理员兼任审计

notice-account-proposal-waiting = 有一项提议等待您确认
notice-account-proposal-confirmed = 您的提议已获确认
notice-account-proposal-refused = 您的提议未获同意
notice-invitation-accepted = 专家已接受您的邀请

error-email-invalid = 不是有效的邮箱地址。
error-email-taken = 本院已有人使用该邮箱。
error-year-out-of-range = 不是合理的执业起始年份。
error-role-needs-second-hand = 该角色须由两人授予：请在人员页面提议。
error-enable-needs-second-hand = 恢复管理员须由两人操作：请先提议。
error-duties-separate = 本院实行职责分离：管理员与审计员不得由同一人担任。
error-duties-so-already = 目前已是如此。
error-duties-held-together = 有 { $count } 人同时是管理员和审计员，请先取消其中一种角色。
error-peer-by-command-only = 管理员和审计员的登录方式由运维人员设置：shanhai user reset
error-own-proposal = 您的提议须由他人决定。
error-second-administrator-there = 本院有第二位管理员，须由其确认。
error-proposer-gone = 提议人已不再是管理员。
error-proposal-of-another = 只有提议人可以撤回。
error-proposal-not-found = 没有这项提议。
error-proposal-open-already = 已有相同的提议，正等待另一位管理员。
error-proposal-ended = 该提议已有结果。
error-proposal-too-late = 已超过七天，请重新提议。
error-proposal-senseless = 不能这样提议。
error-person-not-disabled = 此人并未停用。
error-person-disabled = 此人已停用。
error-person-never-signed-in = 此人从未登录。须先登录过，才能提议。
error-role-held-already = 此人已有该角色。
error-invitation-not-found = 该邀请码无效。
error-invitation-ended = 该邀请已使用、已撤回或已过期。
error-invitation-other-address = 该邀请的邮箱与您账号的邮箱不同。
error-invitation-other-hospital = 该邀请面向另一家医院的专家。请在账号中切换到该院后再试。
error-invitation-before-referral = 请先邀请一家医院会诊；邀请码用于再请一位专家。
error-invitation-over = 该邀请已失效：病例情况已有变化。
error-invitation-not-ready = 病例暂不能向院外展示，请联系邀请人。
