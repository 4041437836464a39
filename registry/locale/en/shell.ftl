brand = Shanhai
shell-home = Shanhai, to the work list
shell-skip = Skip to the content
shell-nav = Main
shell-work = Work list
shell-cases = Cases
shell-inbox = Files to sort
shell-audit = Who saw what
shell-hospital = Hospital
shell-notices = { $count ->
    [0] Notices
    [one] Notices, 1 new
   *[other] Notices, { $count } new
}
shell-menu = Menu of
shell-account = Account
shell-sign-out = Sign out
shell-foot = Shanhai, case registry for limb trauma and reconstruction
shell-offline = No connection. What you type stays on this page and is saved when the link is back.
shell-request-failed = That did not work. What you typed is still here: try again.
shell-session-ended = Your session has ended. Sign in again in a new window; what you typed stays here.
shell-session-link = Sign in again
shell-keys-title = Keys
shell-keys-list = Work list
shell-keys-new = New case
shell-keys-search = Search
shell-keys-this = This sheet
shell-keys-on = Use keys
shell-keys-close = Close
shell-signed-in = You are signed in again. Close this window and go on where you were.

language-name = English
zone-asia-shanghai = Beijing
zone-asia-urumqi = Xinjiang
zone-utc = UTC
