// rollbook-fuzz PARSER [options of libFuzzer] [folders]
import CLibFuzzer
import FuzzedParsers
import Glibc

if CommandLine.arguments.count > 1, let parser = FuzzedParser(rawValue: CommandLine.arguments[1]) {
    unsafe Chosen.parser = parser
    // libFuzzer wants a C command line without the parser's name; it lives as long as the process.
    var words =
        unsafe ([CommandLine.arguments[0]] + CommandLine.arguments.dropFirst(2)).map { unsafe strdup($0) } + [nil]
    var count = unsafe CInt(words.count - 1)
    let code = unsafe words.withUnsafeMutableBufferPointer { words in
        var start = words.baseAddress
        return unsafe LLVMFuzzerRunDriver(&count, &start) { data, size in
            unsafe Chosen.parser.feed(Array(UnsafeBufferPointer(start: data, count: size)))
            return 0
        }
    }
    exit(code)
}
print("usage: rollbook-fuzz PARSER [options of libFuzzer] [folders]")
print("parsers: \(FuzzedParser.allCases.map(\.rawValue).joined(separator: " "))")
exit(2)
