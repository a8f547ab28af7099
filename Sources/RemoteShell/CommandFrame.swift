package import ClusterModel

/// The frame around one command: what is sent, and how the answer is told apart from noise (Format.md, section 1).
package struct CommandFrame: Sendable {
    /// 32 hexadecimal digits, new for every attempt.
    let nonce: String
    let command: RemoteCommand
    let become: Become

    /// Longest script that is put on the command line; libssh2 sends an exec request as one packet of at most 32 KiB.
    private static let longestInlineLine = 24 * 1024

    /// The exec request, and what has to precede the command's own input on standard input.
    package func wire(password: Secret?) -> (line: String, prefix: [UInt8]) {
        let elevated = command.privilege == .root
        var prefix: [UInt8] = []
        let outer: StaticString
        switch elevated ? become : .no {
        case .no: outer = Self.plain
        case .sudo: outer = Self.sudo
        case .sudoWithPassword:
            outer = Self.sudoWithPassword
            password?.withBytes { span in
                for index in span.byteOffsets { prefix.append(span.unsafeLoadByte(at: index)) }
            }
            prefix += Array("\nRB1 \(nonce) INPUT\n".utf8)
        }
        let inline = line(outer: outer.description, length: "0", script: command.script)
        guard inline.utf8.count > Self.longestInlineLine else { return (inline, prefix) }
        let script = Array(command.script.utf8)
        return (line(outer: outer.description, length: String(script.count), script: ""), script + prefix)
    }

    private func line(outer: String, length: String, script: String) -> String {
        let words = [outer, "rollbook", nonce, length, script] + command.arguments
        return "exec /bin/sh -c " + words.map(quotedForShell).joined(separator: " ")
    }

    /// `$1` nonce, `$2` bytes of script on standard input (0: none), `$3` script, then the command's arguments.
    private static let plain: StaticString = """
        n=$1; s=$3; [ "$2" -eq 0 ] || { s=$(head -c "$2"; printf x); s=${s%x}; }; shift 3
        LC_ALL=C; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH
        printf '\\nRB1 %s BEGIN\\n' "$n"
        (umask 077; eval "$s")
        printf '\\nRB1 %s rc=%d END\\n' "$n" "$?"
        """

    private static let sudo: StaticString = """
        n=$1; s=$3; [ "$2" -eq 0 ] || { s=$(head -c "$2"; printf x); s=${s%x}; }; shift 3
        sudo -n -- /bin/sh -c 'n=$1; s=$2; shift 2
        LC_ALL=C; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH
        printf "\\nRB1 %s BEGIN\\n" "$n"; umask 077; eval "$s"' rollbook "$n" "$s" "$@"
        printf '\\nRB1 %s rc=%d END\\n' "$n" "$?"
        """

    private static let sudoWithPassword: StaticString = """
        n=$1; s=$3; [ "$2" -eq 0 ] || { s=$(head -c "$2"; printf x); s=${s%x}; }; shift 3
        sudo -S -p '' -- /bin/sh -c 'n=$1; s=$2; shift 2
        while IFS= read -r l; do [ "$l" = "RB1 $n INPUT" ] && break; done
        LC_ALL=C; PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export LC_ALL PATH
        printf "\\nRB1 %s BEGIN\\n" "$n"; umask 077; eval "$s"' rollbook "$n" "$s" "$@"
        printf '\\nRB1 %s rc=%d END\\n' "$n" "$?"
        """
}

extension RawSpan {
    /// One byte; `byteOffsets` bounds the index.
    fileprivate func unsafeLoadByte(at offset: Int) -> UInt8 {
        unsafe unsafeLoad(fromByteOffset: offset, as: UInt8.self)
    }
}
