# Words drawn into pictures
plane-detector = 探测器平面
error-version-needed = 缺少 If-Match：请说明修改的是哪个版本。
