opinion-write = 写会诊意见
opinion-write-addendum = 写补充意见
sign-title = 签署
sign-means = 签署即表示：这是我依据此处所见给出的意见。签署后不能更改，只能补充；您的姓名、医院以及所依据的每幅影像和标注将一并保存。
sign-go = 签署会诊意见
check-whole = 本意见与签署时完全一致。
check-broken = 与签署时的内容不一致。
check-hash-holds = 文字与签署时一致。
check-hash-broken = 文字与签署时不一致。
check-signature-holds = 签名有效。
check-signature-broken = 签名无效。
check-key-holds = 密钥属于该医院。
check-key-broken = 密钥不是该医院现用的密钥。
check-objects-hold = 所依据的影像和记录均未改变。
check-objects-broken = 所依据的影像和记录中有 { $count } 项已改变。
decision-title = 决定是否采纳
decision-lead = 由邀请方作出决定。决定将记入病历，并通知专家。
decision-choice = 决定
decision-reason = 理由
decision-reason-help = 除原样采纳外均须填写。
decision-go = 记录决定

sheet-title = 远程会诊意见书
sheet-patient = 患者
sheet-case = 病例
sheet-asking = 邀请医院
sheet-asked = 申请医师
sheet-answering = 受邀医院
sheet-decision = 邀请方的处理决定
sheet-pictures = 影像及签署时的标注
sheet-marks = { $count ->
    [0] 无标注
   *[other] { $count } 处标注
}
sheet-proof = 核验
sheet-proof-what = 签署的原文和电子签名附在本文件中（proof-1.json）。凭医院公钥即可脱离本系统核验，方法见使用手册。
sheet-licence = 执业证书 { $number }
sheet-hand-expert = 会诊专家签名
sheet-hand-asking = 经治医师签名
sheet-hand-date = 日期、盖章
sheet-get = 下载 PDF
sheet-get-proof = 下载核验文件
