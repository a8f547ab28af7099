import ClusterModel
import Mustache

/// How every value gets into the page: control characters made visible, then HTML's own characters escaped, by bytes.
///
/// Mustache's own escaping works on whole characters, so a quote that a combining mark follows is another character to it and
/// would leave an attribute. Here each `<`, `>`, `&`, `"`, `'` and backtick is escaped whatever stands beside it, which is enough
/// for text and for quoted attributes; values stand nowhere else in the template.
struct PageContentType: MustacheContentType {
    static let name = "ROLLBOOK"
    /// Makes the name known to templates, once.
    static let registration: Void = MustacheContentTypes.register(PageContentType(), named: name)

    func escapeText(_ text: String) -> String { text.escapedForTerminal.escapedForPage }
}

extension String {
    /// Fit for the text of an element and for a quoted attribute.
    var escapedForPage: String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(utf8.count + utf8.count / 8)
        for byte in utf8 {
            switch byte {
            case UInt8(ascii: "<"): bytes += "&lt;".utf8
            case UInt8(ascii: ">"): bytes += "&gt;".utf8
            case UInt8(ascii: "&"): bytes += "&amp;".utf8
            case UInt8(ascii: "\""): bytes += "&quot;".utf8
            case UInt8(ascii: "'"): bytes += "&#39;".utf8
            case UInt8(ascii: "`"): bytes += "&#96;".utf8
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
