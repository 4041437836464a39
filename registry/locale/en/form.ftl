form-optional = if known
form-needed = needed
form-choose = Please choose
form-more = { $section }: more
form-unit-none = None of them
form-wrong = { $count ->
    [one] One thing needs another look
   *[other] { $count } things need another look
}
form-wrong-kept = Everything you typed is still here.
form-moment-at = Day and time
form-moment-precision = How sure
form-moment-zone = Told in which time
moment-unsure = { $exact } ({ $precision })
list-comma = {", "}
pictures-count = { $count ->
    [one] 1 picture
   *[other] { $count } pictures
}
