gallery-title = Pictures
gallery-day = Day { $day }
gallery-photo = Photograph
gallery-radiograph = Radiograph
gallery-ct = CT, { $count ->
    [one] 1 slice
   *[other] { $count } slices
}
gallery-other = Image
gallery-marks = { $count ->
    [one] 1 mark
   *[other] { $count } marks
}
gallery-open = Open in the viewer:
gallery-viewer = Open the viewer
gallery-add = Add pictures
gallery-empty = No pictures yet
gallery-empty-how = Photographs from the phone and X-ray or CT files stand here once they are added.
gallery-empty-other = The other hospital has not added any yet.
gallery-making = Preview is being made
gallery-other-side-right = The picture says right, the record says left: please check.
gallery-other-side-left = The picture says left, the record says right: please check.
