shell-roster = 值班表
roster-new = 新建值班表
roster-keep = 替班或调整
roster-role = 谁值班
roster-role-expert = 专家
roster-role-coordinator = 协调员
roster-role-surgeon = 外科医师
roster-specialty = 专科（专家值班表）
roster-empty = 还没有值班表
roster-empty-how = 排好班后，等待贵院答复的人会看到值班者的姓名和电话，以及下一位是谁。

roster-now-title = 当前值班
roster-now = 现在
roster-until = 值班至 { $at }
roster-always = 未定交班时间
roster-then-comes = 下一班 { $name }
roster-backup-is = 二线：{ $name }
roster-backup-second-is = 三线：{ $name }
roster-covering = 替班
roster-nobody = 无人值班
roster-no-phone = 没有登记电话号码。
roster-call-duty = 拨打值班电话 { $phone }
roster-duty-phone = 值班电话
roster-you-until = 您正在值班（{ $duty }），至 { $at }
roster-you = 您正在值班（{ $duty }）
roster-gap-line = { $duty }：未来两周内有时段无人值班

roster-fortnight = 未来两周
roster-zone = 时间均为{ $zone }。
roster-from = 接班时间
list-then = ，之后
roster-on = 值班
roster-backup = 二线
roster-moment = { $month } { $day } 日 { $weekday } { $time }
weekday-1 = 周一
weekday-2 = 周二
weekday-3 = 周三
weekday-4 = 周四
weekday-5 = 周五
weekday-6 = 周六
weekday-7 = 周日
roster-gaps = 未来两周内以下时段无人可值班
roster-gap = { $since } 至 { $until }
roster-span = { $since } 至 { $until }

roster-cover = 安排替班
roster-cover-help = 替班者排在最前，原值班者排到最后。换班请为两个班次各填一次。
roster-cover-who = 谁来替班
roster-cover-go = 安排替班
roster-cover-line = { $name } 替班，{ $since } 至 { $until }
roster-cover-end = 结束替班
roster-since = 开始
roster-since-help = 不填开始时间即从现在起。
roster-until-field = 结束

roster-away = 缺勤
roster-away-none = 目前没有缺勤登记。
roster-away-new = 登记缺勤
roster-away-own = 登记我的缺勤
roster-away-help = 缺勤者在所有值班表中自动跳过。同事只看到缺勤，看不到原因。
roster-away-go = 登记
roster-away-end = 已返岗
roster-cancel = 取消登记
roster-person = 人员
roster-reason = 原因

roster-then = 当时谁值班？
roster-then-at = 日期和时间
roster-then-go = 查看
roster-then-none = 当时没有值班表。

roster-rotation = 轮班
roster-order = 轮班顺序
roster-order-help = 依次轮换，周而复始。同一人可排两次：分白班夜班而人数为偶数时，否则总是同样的人上夜班。
roster-place = 第 { $number } 位
roster-place-empty = （空）
roster-lost = { $name }（已不担任此角色）
roster-turn-length = 每班时长
roster-turn-half = 白班和夜班
roster-turn = { $days ->
    [7] 1 周
    [14] 2 周
    [28] 4 周
   *[other] { $days } 天
}
roster-begins-on = 首班日期
roster-handover = 交班时间
roster-night = 夜班开始（仅限白班和夜班）
roster-time-zone = 时区
roster-phone-field = 值班电话
roster-phone-field-help = 值班者随身携带的号码，与本人电话并列显示，可不填。
roster-look = 先看排班
roster-save = 从现在起按此轮班
roster-begin = 启用值班表
roster-following = 按此排班，接下来是
roster-earlier = 历次排班
roster-earlier-help = 调整从现在或新轮班的首班起生效，此前的排班保持原样。
roster-from-then = 自 { $since } 起
roster-end = 停用值班表
roster-end-help = 停用后不再排班，会诊仍由协调员指派。
roster-end-go = 确认停用

refer-look = 谁在值班？
refer-coordinator = 由该院协调员指派专家
refer-straight = 直接邀请{ $hospital } { $name }
refer-on-duty = { $specialty }当前值班

error-roster-not-found = 没有这份值班表。
error-roster-exists = 这项值班已有值班表，请在原表上调整。
error-roster-changed-meanwhile = 刚刚有人调整了这份值班表。
error-roster-changed-meanwhile-next = 请先查看现在的排班再试；没有任何内容被覆盖。
error-roster-cover-not-found = 没有这次替班。
error-roster-absence-not-found = 没有这条缺勤登记。
error-roster-person-unable = 其中有人已不担任此角色。
error-roster-people-missing = 请至少选择一人，最多 60 人。
error-roster-handovers = 请填写交班时间；夜班须晚于当日交班时间。
error-roster-phone = 电话号码只能包含数字、空格和 + ( ) - # *。
error-roster-too-long = 时间超出一年。
error-roster-over = 已经结束。
