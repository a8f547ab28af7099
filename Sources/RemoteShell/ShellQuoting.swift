/// The one function by which a value becomes part of a remote command line.
///
/// `'…'` with every quote written as `'\''`: the same bytes come out of dash, bash, busybox and zsh for every input.
/// Precondition: no NUL byte; `RemoteCommand` refuses those before anything is quoted.
package func quotedForShell(_ text: String) -> String {
    precondition(!text.utf8.contains(0), "a NUL byte cannot travel in a shell argument")
    // Byte by byte: a quote with a combining mark after it is one Character, and not the Character "'".
    var quoted = [UInt8(ascii: "'")]
    quoted.reserveCapacity(text.utf8.count + 2)
    for byte in text.utf8 {
        if byte == UInt8(ascii: "'") { quoted += #"'\''"#.utf8 } else { quoted.append(byte) }
    }
    quoted.append(UInt8(ascii: "'"))
    return String(decoding: quoted, as: UTF8.self)
}
