import ClusterModel

/// Builds the tree of a manifest from parser events and refuses what manifests may not use.
///
/// Refused are anchors, aliases, tags, merge keys, directives, a second document, nesting beyond `depthLimit`, more than
/// `valueLimit` values, keys that are no single value, and a key used twice. Nothing is ever expanded.
struct YAMLTree {
    static let depthLimit = 32
    static let valueLimit = 1_000_000
    /// Refused properties are listed up to here; a file full of them is one mistake.
    private static let refusalLimit = 20

    private struct Frame {
        let mark: Mark
        let isMapping: Bool
        var items: [YAMLNode] = []
        var entries: [YAMLEntry] = []
        var key: (text: String, mark: Mark)?
        var firstUse: [String: Mark] = [:]
    }

    private let log: ProblemLog
    private var stack: [Frame] = []
    private var root: YAMLNode?
    private var documents = 0
    private var values = 0
    private var refusals = 0
    /// Where texts stand, for the check of tabs: only lines with a tab are asked for.
    private(set) var texts: [ClosedRange<Mark>] = []
    private let keepsTexts: Bool

    /// The root of the document, or nil when `log` says why there is none.
    static func read(_ source: SourceText, log: ProblemLog) -> YAMLNode? {
        let hasTabs = source.bytes.contains(UInt8(ascii: "\t"))
        var tree = YAMLTree(log: log, keepsTexts: hasTabs)
        do throws(SyntaxProblem) {
            try YAMLEvents.read(source.bytes) { event, mark in tree.take(event, mark) }
        } catch {
            log.report(error)
            return nil
        }
        if hasTabs { refuseTabs(source, texts: tree.texts, log: log) }
        guard let root = tree.root, !root.isNothing else {
            if !log.hasErrors {
                log.error(
                    "the file is empty",
                    at: Mark(line: 1, column: 1),
                    suggestion: "begin with 'format: 1'"
                )
            }
            return nil
        }
        return log.hasErrors && tree.refusals > 0 ? nil : root
    }

    private init(log: ProblemLog, keepsTexts: Bool) {
        self.log = log
        self.keepsTexts = keepsTexts
    }

    /// Returns false when reading on is of no use.
    private mutating func take(_ event: YAMLEvent, _ mark: Mark) -> Bool {
        switch event {
        case .documentStart(let hasDirectives): return begin(hasDirectives: hasDirectives, mark)
        case .documentEnd: return true
        case .alias(let name):
            return refuse("alias '*\(name)'", mark, "write the value out: manifests have no aliases")
                && place(YAMLNode(mark: mark, content: .scalar("", .quoted)))
        case .scalar(let text, let style, let properties, let end):
            guard check(properties, mark), count(mark) else { return false }
            if keepsTexts, mark < end { texts.append(mark...end) }
            return place(YAMLNode(mark: mark, content: .scalar(text, style)))
        case .sequenceStart(let properties): return check(properties, mark) && open(mark, isMapping: false)
        case .mappingStart(let properties): return check(properties, mark) && open(mark, isMapping: true)
        case .collectionEnd:
            guard let frame = stack.popLast() else { return false }
            return place(
                YAMLNode(mark: frame.mark, content: frame.isMapping ? .mapping(frame.entries) : .sequence(frame.items))
            )
        }
    }

    private mutating func begin(hasDirectives: Bool, _ mark: Mark) -> Bool {
        documents += 1
        if documents > 1 {
            log.error(
                "a second document begins here; a manifest is one document",
                at: mark,
                suggestion: "put it into a file of its own"
            )
            return false
        }
        return !hasDirectives || refuse("a directive", mark, "remove the lines that begin with %")
    }

    private mutating func check(_ properties: NodeProperties, _ mark: Mark) -> Bool {
        if let anchor = properties.anchor {
            guard refuse("anchor '&\(anchor)'", mark, "write the value out where it is needed") else { return false }
        }
        if let tag = properties.tag {
            let prefix = "tag:yaml.org,2002:"
            let written = tag.hasPrefix(prefix) ? "!!" + tag.dropFirst(prefix.count) : tag
            return refuse("tag '\(written)'", mark, "remove it: the type of every value is known")
        }
        return true
    }

    private mutating func refuse(_ what: String, _ mark: Mark, _ suggestion: String) -> Bool {
        refusals += 1
        log.error("\(what) is refused", at: mark, suggestion: suggestion)
        return refusals < Self.refusalLimit
    }

    private mutating func count(_ mark: Mark) -> Bool {
        values += 1
        guard values > Self.valueLimit else { return true }
        log.error("more than \(Self.valueLimit) values", at: mark)
        return false
    }

    private mutating func open(_ mark: Mark, isMapping: Bool) -> Bool {
        guard stack.count < Self.depthLimit else {
            log.error("nested deeper than \(Self.depthLimit) levels", at: mark)
            return false
        }
        stack.append(Frame(mark: mark, isMapping: isMapping))
        return count(mark)
    }

    private mutating func place(_ node: YAMLNode) -> Bool {
        guard let last = stack.indices.last else {
            root = node
            return true
        }
        guard stack[last].isMapping else {
            stack[last].items.append(node)
            return true
        }
        guard let key = stack[last].key else { return placeKey(node, in: last) }
        stack[last].key = nil
        if let first = stack[last].firstUse[key.text] {
            log.error(
                "key '\(key.text)' is used twice in this mapping, first at line \(first.line)",
                at: key.mark,
                suggestion: first.line == key.mark.line
                    ? "keep one of them" : "keep one of lines \(first.line) and \(key.mark.line)"
            )
        } else {
            stack[last].firstUse[key.text] = key.mark
            stack[last].entries.append(YAMLEntry(key: key.text, keyMark: key.mark, value: node))
        }
        return true
    }

    private mutating func placeKey(_ node: YAMLNode, in index: Int) -> Bool {
        switch node.content {
        case .scalar("<<", .plain): return setKey("<<", node.mark, in: index) && refuseMerge(node.mark)
        case .scalar(let text, _): return setKey(text, node.mark, in: index)
        case .sequence, .mapping:
            log.error("\(node.word) cannot be a key", at: node.mark)
            return false
        }
    }

    private mutating func setKey(_ text: String, _ mark: Mark, in index: Int) -> Bool {
        stack[index].key = (text, mark)
        return true
    }

    private mutating func refuseMerge(_ mark: Mark) -> Bool {
        refuse("merge key '<<'", mark, "write the keys out: manifests have no merging")
    }
}
