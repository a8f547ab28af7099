import ClusterModel
import Crypto

/// The top of a manifest as a section, when the file is well-formed at all.
func topSection(_ log: ProblemLog) -> Section? {
    let source = log.source
    guard source.bytes.count <= SourceText.sizeLimit else {
        log.error(
            "the file has \(source.bytes.count) bytes; \(SourceText.sizeLimit) are the limit",
            at: Mark(line: 1, column: 1)
        )
        return nil
    }
    guard isReadable(source, log: log), let root = YAMLTree.read(source, log: log) else { return nil }
    return Section(root, path: "", log: log)
}

/// Every manifest says which format it is written in; only format 1 exists.
func checkFormat(_ top: Section) -> Bool {
    guard top.has("format") else {
        top.log.error(
            "key 'format' is missing at the top of the file",
            at: top.mark,
            suggestion: "begin with 'format: 1'"
        )
        _ = top.node("format")
        return true
    }
    guard let format = top.integer("format", in: 1...Int(Int32.max)) else { return true }
    guard format.value == 1 else {
        top.log.error(
            "format \(format.value) is newer than this program, which reads format 1",
            at: format.mark,
            suggestion: "use the program this file was written for, or write the file in format 1"
        )
        return false
    }
    return true
}

/// `sha256:` and the lower-case hexadecimal digest.
func digest(of bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text = Array("sha256:".utf8)
    for byte in SHA256.hash(data: bytes) { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
    return String(decoding: text, as: UTF8.self)
}
