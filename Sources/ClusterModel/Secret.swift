/// A secret value: it cannot be described, encoded, compared or interpolated, only handed to a closure.
///
/// Guarantee: no conformance of this type puts its bytes into text. The bytes are overwritten when the last reference
/// goes away; copies made by whoever received them inside `withBytes` are theirs to bound.
///
/// `@unchecked Sendable` holds because the memory is written only in `init` and `deinit`; `@safe` because it leaves this
/// type only as a span that cannot escape.
@safe
package final class Secret: @unchecked Sendable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    private let storage: UnsafeMutableRawBufferPointer

    package init(_ bytes: some Collection<UInt8>) {
        unsafe storage = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        unsafe storage.copyBytes(from: bytes)
    }

    /// Calls `body` with the secret's bytes; they must not outlive the call.
    package func withBytes<Result>(_ body: (RawSpan) throws -> Result) rethrows -> Result {
        try body(unsafe storage.bytes)
    }

    package var isEmpty: Bool { unsafe storage.isEmpty }
    package var description: String { "(secret)" }
    package var debugDescription: String { "(secret)" }
    package var customMirror: Mirror { Mirror(self, children: []) }

    deinit {
        unsafe storage.initializeMemory(as: UInt8.self, repeating: 0)
        unsafe storage.deallocate()
    }
}
