package import ClusterModel
package import RemoteShell

/// The password for `sudo` on a host, kept in a file of the controller.
package enum PasswordFile {
    /// Reads the password: the file's first line, from a file that group and others cannot read.
    package static func read(_ path: String, for host: HostName) throws(TransportError) -> Secret {
        let bytes: [UInt8]
        do { bytes = try SecretFile.read(path) } catch { throw error.error(for: host) }
        let line = bytes.prefix { $0 != UInt8(ascii: "\n") }
        guard !line.isEmpty, !line.contains(0) else {
            throw TransportError(.localFile, host: host, "\(path): its first line is no password")
        }
        return Secret(line)
    }
}
