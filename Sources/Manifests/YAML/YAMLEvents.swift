// The parser of Yams is used below its tree: the tree expands aliases, drops where a key stands, and meets nesting with
// recursion, before anyone can refuse. The module is part of the Yams package.
import CYaml

/// What the YAML parser meets, in the order of the file.
enum YAMLEvent {
    /// `hasDirectives` is true after a `%YAML` or `%TAG` line.
    case documentStart(hasDirectives: Bool)
    case documentEnd
    case alias(String)
    case scalar(String, style: ScalarStyle, properties: NodeProperties, end: Mark)
    case sequenceStart(NodeProperties)
    case mappingStart(NodeProperties)
    case collectionEnd
}

/// How a scalar is written; only a plain one can be a number or a boolean.
enum ScalarStyle: Hashable { case plain, quoted, block }

/// What stands before a node and is refused: `&anchor`, `!tag`.
struct NodeProperties: Hashable {
    var anchor: String?
    var tag: String?
}

/// Why the parser stopped.
struct SyntaxProblem: Error, Hashable {
    var message: String
    var mark: Mark
    /// `while parsing a block mapping`, and where that began.
    var context: String?
    var contextMark: Mark?
}

/// The one place with unsafe code of this module: libyaml's pull parser, wrapped so that no pointer leaves it.
enum YAMLEvents {
    /// Calls `body` with each event and where it begins, until it returns false or the file ends.
    ///
    /// `bytes` must be valid UTF-8 without a byte order mark. Memory does not grow with the file; nesting is not
    /// recursion here.
    static func read(_ bytes: [UInt8], _ body: (YAMLEvent, Mark) -> Bool) throws(SyntaxProblem) {
        // The parser keeps pointers to itself and to the input: it lives at one address, and the input outlives it.
        let parser = UnsafeMutablePointer<yaml_parser_t>.allocate(capacity: 1)
        defer { unsafe parser.deallocate() }
        guard unsafe yaml_parser_initialize(parser) == 1 else {
            throw SyntaxProblem(message: "no memory for the parser", mark: Mark(line: 1, column: 1))
        }
        defer { unsafe yaml_parser_delete(parser) }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        let problem: SyntaxProblem? = unsafe bytes.withUnsafeBufferPointer { input in
            unsafe yaml_parser_set_input_string(parser, input.baseAddress, input.count)
            return unsafe events(of: parser, body)
        }
        if let problem { throw problem }
    }

    private static func events(
        of parser: UnsafeMutablePointer<yaml_parser_t>,
        _ body: (YAMLEvent, Mark) -> Bool
    ) -> SyntaxProblem? {
        while true {
            var event = unsafe yaml_event_t()
            guard unsafe yaml_parser_parse(parser, &event) == 1 else { return unsafe problem(of: parser) }
            defer { unsafe yaml_event_delete(&event) }
            if unsafe event.type == YAML_STREAM_END_EVENT { return nil }
            if let translated = unsafe translate(event) {
                guard body(translated, unsafe mark(event.start_mark)) else { return nil }
            }
        }
    }

    private static func translate(_ event: yaml_event_t) -> YAMLEvent? {
        switch unsafe event.type {
        case YAML_DOCUMENT_START_EVENT:
            let start = unsafe event.data.document_start
            let hasTags = unsafe start.tag_directives.start != start.tag_directives.end
            return unsafe .documentStart(hasDirectives: start.version_directive != nil || hasTags)
        case YAML_DOCUMENT_END_EVENT: return .documentEnd
        case YAML_ALIAS_EVENT: return unsafe .alias(text(event.data.alias.anchor) ?? "")
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            let properties = unsafe NodeProperties(anchor: text(scalar.anchor), tag: text(scalar.tag))
            let style: ScalarStyle =
                switch unsafe scalar.style {
                case YAML_LITERAL_SCALAR_STYLE, YAML_FOLDED_SCALAR_STYLE: .block
                case YAML_PLAIN_SCALAR_STYLE: .plain
                default: .quoted
                }
            let value = unsafe String(decoding: bytes, as: UTF8.self)
            return unsafe .scalar(value, style: style, properties: properties, end: mark(event.end_mark))
        case YAML_SEQUENCE_START_EVENT:
            let start = unsafe event.data.sequence_start
            return unsafe .sequenceStart(NodeProperties(anchor: text(start.anchor), tag: text(start.tag)))
        case YAML_MAPPING_START_EVENT:
            let start = unsafe event.data.mapping_start
            return unsafe .mappingStart(NodeProperties(anchor: text(start.anchor), tag: text(start.tag)))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT: return .collectionEnd
        default: return nil
        }
    }

    private static func problem(of parser: UnsafeMutablePointer<yaml_parser_t>) -> SyntaxProblem {
        let state = unsafe parser.pointee
        func message(_ pointer: UnsafePointer<CChar>?) -> String? {
            guard let pointer = unsafe pointer else { return nil }
            return unsafe String(cString: pointer)
        }
        return unsafe SyntaxProblem(
            message: message(state.problem) ?? "the parser stopped",
            mark: mark(state.problem_mark),
            context: message(state.context),
            contextMark: state.context == nil ? nil : mark(state.context_mark)
        )
    }

    private static func mark(_ mark: yaml_mark_t) -> Mark {
        Mark(line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe String(cString: pointer)
    }
}
