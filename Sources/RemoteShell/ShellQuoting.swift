/// The one function by which a value becomes part of a remote command line.
///
/// `'…'` with every quote written as `'\''`: the same bytes come out of dash, bash, busybox and zsh for every input.
/// Precondition: no NUL byte; `RemoteCommand` refuses those before anything is quoted.
package func quotedForShell(_ text: String) -> String {
    precondition(!text.utf8.contains(0), "a NUL byte cannot travel in a shell argument")
    return "'" + text.split(separator: "'", omittingEmptySubsequences: false).joined(separator: "'\\''") + "'"
}
