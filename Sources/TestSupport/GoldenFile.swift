package import Foundation

/// An expected output in a file beside the tests.
///
/// With ROLLBOOK_RECORD=1 in the environment the file is written instead of compared: read it before you commit it.
package struct GoldenFile {
    package let url: URL

    package init(_ url: URL) { self.url = url }

    /// Nil when `bytes` are what the file holds (or recording is on); else what differs first.
    package func difference(from bytes: [UInt8]) throws -> String? {
        if ProcessInfo.processInfo.environment["ROLLBOOK_RECORD"] == "1" {
            try FileManager.default.createDirectory(
                at: url.deletingLastPathComponent(),
                withIntermediateDirectories: true
            )
            try Data(bytes).write(to: url)
            return nil
        }
        guard let expected = try? [UInt8](Data(contentsOf: url)) else { return "\(url.path) is not there" }
        guard expected != bytes else { return nil }
        let old = String(decoding: expected, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let new = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let line =
            zip(old, new).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(old.count, new.count)
        func shown(_ lines: [Substring]) -> String { lines.indices.contains(line) ? String(lines[line]) : "(end)" }
        return "\(url.lastPathComponent):\(line + 1): expected\n  \(shown(old))\nfound\n  \(shown(new))"
    }
}
