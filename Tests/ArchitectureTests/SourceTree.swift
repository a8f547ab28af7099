import Foundation

/// The project's Swift sources, as text.
struct SourceTree {
    struct File {
        let module: String
        let path: String
        let lines: [String]

        /// Names of imported modules, whatever their access level or kind.
        var imports: [String] {
            lines.compactMap { line in
                var words = line.split(separator: " ").map(String.init)
                while let first = words.first,
                    ["package", "public", "internal", "private", "@testable"].contains(first)
                {
                    words.removeFirst()
                }
                guard words.first == "import", words.count > 1 else { return nil }
                let kinds = ["struct", "class", "enum", "protocol", "func", "var", "let", "typealias"]
                let name = kinds.contains(words[1]) ? words.last : words[1]
                return name.map { String($0.prefix { $0 != "." }) }
            }
        }

        /// The lines without comments and without the contents of plain string literals.
        var code: [String] {
            lines.filter { !$0.trimmingCharacters(in: .whitespaces).hasPrefix("//") }.map {
                $0.replacing(#/"[^"]*"/#, with: "\"\"")
            }
        }
    }

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    static let sources: [File] = {
        let folder = root.appending(path: "Sources")
        let paths = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
        return paths.sorted().filter { $0.hasSuffix(".swift") }.compactMap { path in
            guard let text = try? String(contentsOf: folder.appending(path: path), encoding: .utf8) else { return nil }
            let module = String(path.prefix { $0 != "/" })
            return File(module: module, path: path, lines: text.components(separatedBy: "\n"))
        }
    }()
}
