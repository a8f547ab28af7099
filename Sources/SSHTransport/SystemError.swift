import Glibc

/// Texts of the kernel's error numbers.
enum SystemError {
    /// `connection refused` for ECONNREFUSED: the C library's text, first letter small as messages here have it.
    static func text(_ number: Int32) -> String {
        let text = unsafe strerror(number).map { unsafe String(cString: $0) } ?? "error \(number)"
        return text.prefix(1).lowercased() + text.dropFirst()
    }
}
