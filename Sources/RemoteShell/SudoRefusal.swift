/// What a person must add to sudo's rules on a host, by what sudo said when it refused.
///
/// Everything that needs root is run by one `/bin/sh`, with text that differs each time, so rules for single other commands never
/// suffice, and a rule for `/bin/sh` is one for everything. Source: sudo(8), sudoers(5).
enum SudoRefusal {
    /// The next action for sudo's first line on standard error; `%sudo` and such are left to the person.
    static func next(after said: String) -> String {
        let lower = said.lowercased()
        if lower.contains("you must have a tty") {
            return "add 'Defaults:USER !requiretty' to /etc/sudoers.d/rollbook for the login user, then visudo -c"
        }
        let rule = "add 'USER ALL=(root) NOPASSWD: ALL' to /etc/sudoers.d/rollbook for the login user, then visudo -c"
        if lower.contains("not found") { return "install sudo on the host, or log in as root" }
        if lower.contains("not allowed to execute") || lower.contains("may not run") || lower.contains("sudoers") {
            return "\(rule); rules for single commands do not suffice, /bin/sh is what is run"
        }
        return "\(rule), or set becomePasswordFile in the inventory"
    }
}
