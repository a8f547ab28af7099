import Foundation

/// The project's Swift sources, as text.
struct SourceTree {
    struct File {
        let module: String
        let path: String
        let lines: [String]
        /// The lines without comments and without the contents of plain string literals.
        let code: [String]

        init(module: String, path: String, lines: [String]) {
            self.module = module
            self.path = path
            self.lines = lines
            code = lines.filter { !$0.drop { $0 == " " }.hasPrefix("//") }.map(Self.withoutLiterals)
        }

        /// What stands between two quotes of a line is left out.
        private static func withoutLiterals(_ line: String) -> String {
            guard line.utf8.contains(UInt8(ascii: "\"")) else { return line }
            let parts = line.split(separator: "\"", omittingEmptySubsequences: false)
            let last = parts.count - 1
            // Every second part is within quotes, but for one after the last quote of an odd number.
            return parts.enumerated().map { index, part in index % 2 == 0 || index == last ? part : "" }
                .joined(separator: "\"")
        }

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
