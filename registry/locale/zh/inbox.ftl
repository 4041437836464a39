inbox-studies = 尚未归入病例的检查
inbox-files = 待处理的文件
inbox-accession = 检查号 { $number }
inbox-empty = 没有待归档的文件
inbox-empty-how = 设备发来但未指明病例或与患者不符的文件，会在这里等待人工核对。
inbox-into = 病例
inbox-file = 归入该病例
inbox-confirm = 已核对，是该患者
