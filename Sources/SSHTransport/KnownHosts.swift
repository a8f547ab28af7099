package import ClusterModel
import Crypto

/// The host keys that known_hosts files list, looked up as OpenSSH looks them up (hostfile.c, match.c).
///
/// A pure value. Names are compared without regard to case; a port other than 22 is part of the name, `[host]:port`.
/// Of several files the lines count in the order of the files. With a `HostKeyAlias` OpenSSH looks up the alias alone,
/// so pass the alias with port 22.
package struct KnownHosts: Sendable {
    /// Every usable line in its order.
    package let lines: [KnownHostsLine]
    /// A warning for each line that is not used, with its place.
    package let diagnostics: [Diagnostic]
    /// Lines by plain name.
    private let named: [[UInt8]: [Int]]
    /// Lines whose hosts have to be tried: wildcards and hashes.
    private let others: [Int]

    /// One file as it was read.
    package struct File: Sendable {
        package let path: String
        package let bytes: [UInt8]

        package init(path: String, bytes: [UInt8]) {
            self.path = path
            self.bytes = bytes
        }
    }

    /// Reads the files in order; a line that cannot be used becomes a warning and spoils no other.
    package init(files: [File]) {
        var lines: [KnownHostsLine] = []
        var diagnostics: [Diagnostic] = []
        for file in files {
            let parts = file.bytes.split(separator: 0x0A, omittingEmptySubsequences: false)
            for (index, text) in parts.enumerated() {
                do {
                    let line = try KnownHostsLine.parse(text, file: file.path, number: index + 1)
                    guard let line else { continue }
                    lines.append(line)
                    if line.marker == .certificateAuthority {
                        let problem = KnownHostsLine.Problem(
                            text: "@cert-authority is not supported: it makes no host known",
                            offset: 0,
                            suggestion: "list the host keys themselves"
                        )
                        diagnostics.append(Self.warning(problem, text, file: file.path, line: index + 1))
                    }
                } catch {
                    diagnostics.append(Self.warning(error, text, file: file.path, line: index + 1))
                }
            }
        }
        var named: [[UInt8]: [Int]] = [:]
        var others: [Int] = []
        for (index, line) in lines.enumerated() {
            guard case .names(let names) = line.hosts else {
                others.append(index)
                continue
            }
            for name in names where named[name]?.last != index { named[name, default: []].append(index) }
        }
        self.lines = lines
        self.diagnostics = diagnostics
        self.named = named
        self.others = others
    }

    /// The name under which OpenSSH lists a host: bare for port 22, else `[host]:port`.
    package static func listedName(_ host: String, port: Int) -> String {
        port == 22 ? host : "[\(host)]:\(port)"
    }

    /// The lines that speak of `listedName`, in their order, marked ones included.
    package func lines(for listedName: String) -> [KnownHostsLine] {
        let name = listedName.utf8.asciiLowercased
        var found = named[name] ?? []
        for index in others {
            switch lines[index].hosts {
            case .names: break
            case .patterns(let patterns):
                if HostPattern.list(patterns, admits: name) { found.append(index) }
            case .hashed(let salt, let digest):
                let code = HMAC<Insecure.SHA1>.authenticationCode(for: name, using: SymmetricKey(data: salt))
                if code.elementsEqual(digest) { found.append(index) }
            }
        }
        return found.sorted().map { lines[$0] }.filter(\.key.isOnCurve)
    }

    private static func warning(
        _ problem: KnownHostsLine.Problem,
        _ text: ArraySlice<UInt8>,
        file: String,
        line: Int
    ) -> Diagnostic {
        // Long lines are named, not shown.
        let shown = text.count <= 200 ? String(decoding: text, as: UTF8.self) : nil
        return Diagnostic(
            .warning,
            at: SourceLocation(file: file, line: line, column: problem.offset + 1),
            "line not used: \(problem.text)",
            suggestion: problem.suggestion,
            sourceLine: shown
        )
    }
}
