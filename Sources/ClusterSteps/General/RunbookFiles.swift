package import ClusterModel
import Journal

/// Files that stand beside a runbook on the controller; the composition root provides it.
package protocol RunbookFiles: Sendable {
    /// The absolute path of what a runbook names, relative to the folder of its own file.
    func path(of name: String, namedIn runbook: SourceLocation) throws -> String
    /// Its bytes, `PutFile.longestFile` at most.
    func read(_ path: String) throws -> [UInt8]
}

extension [UInt8] {
    /// SHA-256 in hex, as `sha256sum` prints it.
    var sha256: String { String(ContentHash(of: self).text.dropFirst("sha256:".count)) }
}

/// Refuses a value of a runbook that is right on no host.
func refusal(_ location: SourceLocation, _ kind: String, _ what: String) -> OperatorMessage {
    OperatorMessage(.invalidInput, at: "\(location.file):\(location.line): \(kind)", what)
}

/// Refuses a path that is none of a host: it is absolute and has no `..` in it.
func checkHostPath(_ value: JSONValue?, _ location: SourceLocation, _ kind: String) throws(OperatorMessage) {
    guard let path = value?.stringValue else { return }
    let parts = path.split(separator: "/", omittingEmptySubsequences: false)
    guard path.hasPrefix("/"), !path.hasSuffix("/"), !parts.contains(".."), !path.utf8.contains(where: { $0 < 0x20 })
    else { throw refusal(location, kind, "'\(path)' is no absolute path of a file, without '..'") }
}
