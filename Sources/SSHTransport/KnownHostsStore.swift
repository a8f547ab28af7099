package import ClusterModel
import Crypto
import SystemPackage

/// The known hosts of this machine: files read once, then a fixed policy.
package struct KnownHostsStore: HostKeyPolicy {
    package let hosts: KnownHosts
    /// The files in the order in which they count, those that do not exist included.
    package let paths: [String]
    /// `sha256:` and 64 hexadecimal digits over every path and its content, for binding a plan to what was known.
    package let digest: String

    /// Warnings about lines that are not used.
    package var diagnostics: [Diagnostic] { hosts.diagnostics }

    /// Reads the files in order: the user's first, then those for all users.
    ///
    /// A file that does not exist is empty. Any other trouble is an error, because a file that cannot be read may hold
    /// revocations. Refused with `security` are files that others own or may write (OpenSSH's rule for `~/.ssh/config`,
    /// readconf.c): whoever can add a key can take a host's place.
    package init(paths: [String]) throws(OperatorMessage) {
        var files: [KnownHosts.File] = []
        for path in paths {
            files.append(KnownHosts.File(path: path, bytes: try KnownHostsFile.read(path) ?? []))
        }
        self.init(files: files)
    }

    /// The same from contents that were read already.
    package init(files: [KnownHosts.File]) {
        hosts = KnownHosts(files: files)
        paths = files.map(\.path)
        var hash = SHA256()
        for file in files {
            hash.update(data: Array("\(file.path.utf8.count) \(file.path) \(file.bytes.count)\n".utf8))
            hash.update(data: file.bytes)
        }
        let digits = hash.finalize().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }
        digest = "sha256:" + digits.joined()
    }

    package func knownKeyTypes(forHost name: String, port: Int) -> [String] {
        hosts.knownKeyTypes(forHost: name, port: port)
    }

    package func verdict(forHost name: String, port: Int, keyType: String, key: [UInt8]) -> HostKeyVerdict {
        hosts.verdict(forHost: name, port: port, keyType: keyType, key: key)
    }
}
