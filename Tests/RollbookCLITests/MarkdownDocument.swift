import Foundation

/// A page of the repository, read as far as its checks need: headings, links, code.
struct MarkdownDocument {
    struct Link: Hashable {
        let line: Int
        let target: String
    }
    /// A line of a fenced or indented block, or what stands between back quotes.
    struct Code: Hashable {
        let line: Int
        let text: String
    }

    let path: String
    private(set) var anchors: Set<String> = []
    private(set) var links: [Link] = []
    private(set) var code: [Code] = []

    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// All pages of the repository, by path; folders with a leading dot hold what is built.
    static let all: [MarkdownDocument] = {
        let found = FileManager.default.enumerator(
            at: root,
            includingPropertiesForKeys: nil,
            options: [.skipsHiddenFiles, .skipsPackageDescendants]
        )
        let start = root.standardizedFileURL.path.utf8.count + 1
        let files = (found?.compactMap { $0 as? URL } ?? []).filter { $0.pathExtension == "md" }
        return files.sorted { $0.path < $1.path }.compactMap { file in
            guard let text = try? String(contentsOf: file, encoding: .utf8) else { return nil }
            return MarkdownDocument(
                path: String(decoding: file.standardizedFileURL.path.utf8.dropFirst(start), as: UTF8.self),
                text: text
            )
        }
    }()

    init(path: String, text: String) {
        self.path = path
        var fence: String?
        var previousIsBlank = true
        var isIndented = false
        var continued: Code?
        for (index, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let (number, line) = (index + 1, String(raw))
            let trimmed = line.trimmingCharacters(in: .whitespaces)
            if let mark = fence {
                if trimmed.hasPrefix(mark) { fence = nil } else { take(trimmed, number, &continued) }
                continue
            }
            if trimmed.hasPrefix("```") {
                fence = "```"
                continue
            }
            isIndented = line.hasPrefix("    ") && (previousIsBlank || isIndented) && !trimmed.isEmpty
            previousIsBlank = trimmed.isEmpty
            if isIndented {
                take(trimmed, number, &continued)
                continue
            }
            if line.hasPrefix("#") { addAnchor(line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces)) }
            // Every second piece stands between back quotes.
            let pieces = line.split(separator: "`", omittingEmptySubsequences: false)
            for (position, span) in pieces.enumerated() where position % 2 == 1 && position + 1 < pieces.count {
                code.append(Code(line: number, text: String(span)))
            }
            guard line.contains("](") else { continue }
            let prose = pieces.enumerated().map { $0 % 2 == 0 ? $1 : "code" }.joined()
            for link in prose.matches(of: #/\]\(([^()\s]+)\)/#) {
                links.append(Link(line: number, target: String(link.1)))
            }
        }
    }

    private mutating func take(_ text: String, _ line: Int, _ continued: inout Code?) {
        let whole = continued.map { Code(line: $0.line, text: $0.text + " " + text) } ?? Code(line: line, text: text)
        if whole.text.hasSuffix("\\") {
            continued = Code(line: whole.line, text: String(whole.text.dropLast()))
        } else {
            continued = nil
            code.append(whole)
        }
    }

    /// As GitHub names headings: lower case, punctuation left out, spaces as hyphens, a number when the name is taken.
    private mutating func addAnchor(_ heading: String) {
        let text = heading.contains("](") ? heading.replacing(#/\[([^\]]*)\]\([^)]*\)/#) { $0.1 } : heading
        let name = String(
            text.lowercased().unicodeScalars.compactMap { scalar -> Character? in
                if scalar == " " { return "-" }
                let isKept = scalar == "-" || scalar == "_" || CharacterSet.alphanumerics.contains(scalar)
                return isKept ? Character(scalar) : nil
            }
        )
        var (unique, count) = (name, 0)
        while !anchors.insert(unique).inserted {
            count += 1
            unique = "\(name)-\(count)"
        }
    }

    /// Links that lead nowhere, each with its place; addresses elsewhere are not followed.
    func brokenLinks(among pages: [MarkdownDocument]) -> [String] {
        links.compactMap { link in
            guard !link.target.contains("://"), !link.target.hasPrefix("mailto:") else { return nil }
            let parts = link.target.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let file = String(parts.first ?? "")
            let place = "\(path):\(link.line): \(link.target)"
            let folder = Self.root.appending(path: path).deletingLastPathComponent()
            let url = file.isEmpty ? Self.root.appending(path: path) : folder.appending(path: file)
            let target = url.standardizedFileURL.path
            guard file.isEmpty || FileManager.default.fileExists(atPath: target) else {
                return "\(place): no such file"
            }
            guard parts.count == 2 else { return nil }
            let page =
                file.isEmpty
                ? self : pages.first { Self.root.appending(path: $0.path).standardizedFileURL.path == target }
            return page?.anchors.contains(String(parts[1])) == true ? nil : "\(place): no such heading"
        }
    }
}
