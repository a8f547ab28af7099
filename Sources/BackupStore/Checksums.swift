/// The text of `SHA256SUMS`: what `sha256sum` prints and `sha256sum -c` reads (Format.md §3).
enum Checksums {
    static let fileName = "SHA256SUMS"

    /// The manifest first, then the stored files by path.
    static func text(manifest: FileDigest, files: [StoredFile]) -> String {
        let lines =
            [line(manifest.sha256, Manifest.fileName)]
            + files.sorted { $0.path < $1.path }.map { line($0.stored.sha256, $0.path) }
        return lines.joined()
    }

    private static func line(_ hash: String, _ path: String) -> String { "\(hash)  \(path)\n" }
}
