/// What Apache Kafka 4.3's `SimpleHeaderConverter` reads in texts: a line of text, schema and value each, written by
/// `Compat/java/HeaderValues.java`.
enum HeaderValueFixture {
    static let lines = #"""
        "" => string => ""
        "  " => string => "  "
        "null" => null => null
        " null " => null => null
        "null=" => string => "null="
        "true" => boolean => Boolean(true)
        "false" => boolean => Boolean(false)
        " \u0009 true \u000a" => boolean => Boolean(true)
        "true}" => string => "true}"
        "false]" => string => "false]"
        "True" => string => "True"
        "simple" => string => "simple"
        "simple string" => string => "simple string"
        "1" => int8 => Byte(1)
        "+1" => int8 => Byte(1)
        "-1" => int8 => Byte(-1)
        "127" => int8 => Byte(127)
        "128" => int16 => Short(128)
        "-128" => int8 => Byte(-128)
        "-129" => int16 => Short(-129)
        "32767" => int16 => Short(32767)
        "32768" => int32 => Integer(32768)
        "2147483647" => int32 => Integer(2147483647)
        "2147483648" => int64 => Long(2147483648)
        "9223372036854775807" => int64 => Long(9223372036854775807)
        "9223372036854775808" => bytes:Decimal(0) => BigDecimal(9223372036854775808)
        "-9223372036854775808" => int64 => Long(-9223372036854775808)
        "-9223372036854775809" => bytes:Decimal(0) => BigDecimal(-9223372036854775809)
        "1.0" => int8 => Byte(1)
        "1e3" => int16 => Short(1000)
        "1E19" => float32 => Float(1.0E19)
        "1e19" => float32 => Float(1.0E19)
        "1e20" => float32 => Float(1.0E20)
        "12345678901234567890123" => bytes:Decimal(0) => BigDecimal(12345678901234567890123)
        "9223372036854775808.0" => float32 => Float(9.223372E18)
        "0.1" => float32 => Float(0.1)
        "-3.5" => float32 => Float(-3.5)
        ".5" => string => ".5"
        "+.5" => float32 => Float(0.5)
        "5." => int8 => Byte(5)
        "1.5e300" => float64 => Double(1.5E300)
        "1e400" => bytes:Decimal(-400) => BigDecimal(1E+400)
        "1e-50" => float32 => Float(0.0)
        "0.1234567890123456789" => float32 => Float(0.12345679)
        "3.4028235e38" => float32 => Float(3.4028235E38)
        "3.5e38" => float64 => Double(3.5E38)
        "0e-5" => int8 => Byte(0)
        "00012" => int8 => Byte(12)
        "1e99999999999" => string => "1e99999999999"
        "- 1" => string => "- 1"
        "1 2" => string => "1 2"
        " 12 " => int8 => Byte(12)
        "12abc" => string => "12abc"
        "0x10" => string => "0x10"
        "127.0.0.1" => string => "127.0.0.1"
        "2019-08-23" => int32:Date => date(1566518400000)
        "14:34:54.346Z" => int32:Time => date(52494346)
        "2019-08-23T14:34:54.346Z" => int64:Timestamp => date(1566570894346)
        "2019-08-23T14\\:34\\:54.346Z" => int64:Timestamp => date(1566570894346)
        "14\\:34\\:54.346Z" => int32:Time => date(52494346)
        "2019-08-23T14:34:54Z" => string => "2019-08-23T14:34:54Z"
        "2019-08-23T14:34:54.346" => string => "2019-08-23T14:34:54.346"
        "2019-08-23 foo" => string => "2019-08-23 foo"
        "1234567890" => int32 => Integer(1234567890)
        "[true, false]" => array<boolean> => [Boolean(true), Boolean(false)]
        "{6:9 4:20}" => string => "{6:9 4:20}"
        "[0 1 2]" => string => "[0 1 2]"
        "{}" => map<null,null> => {}
        "[]" => array<null> => []
        "{null: 3}" => string => "{null: 3}"
        "{3: null}" => map<int8,null> => {Byte(3)=null}
        "[null]" => array<null> => [null]
        "[1,null]" => string => "[1,null]"
        "[1, 2, 32768]" => array<int32> => [Integer(1), Integer(2), Integer(32768)]
        "[1, 2, \"three\"]" => array<null> => [Byte(1), Byte(2), "three"]
        "[1, 2, 3, \"four\"]" => array<null> => [Byte(1), Byte(2), Byte(3), "four"]
        "[1,]" => array<int8> => [Byte(1)]
        "[1" => string => "[1"
        "[,1]" => string => "[,1]"
        "[foo]" => string => "[foo]"
        "{foo: 3}" => string => "{foo: 3}"
        "{3: foo}" => string => "{3: foo}"
        "{\"a\":1 \"b\":2}" => map<string,int8> => {"a"=Byte(1), "b"=Byte(2)}
        "{\"a\":1,}" => map<string,int8> => {"a"=Byte(1)}
        "{\"a\":1,\"a\":2}" => map<string,int8> => {"a"=Byte(2)}
        "{\"foo\":\"123\",\"bar\":\"baz\"}" => map<string,string> => {"foo"="123", "bar"="baz"}
        "{ \"foo\" : \"123\", \u000a\"bar\" : \"baz\" } " => map<string,string> => {"foo"="123", "bar"="baz"}
        "{\"a\":null,\"b\":1}" => string => "{\"a\":null,\"b\":1}"
        "{\"a\":null}" => map<string,null> => {"a"=null}
        "[2019-08-23]" => array<int32:Date> => [date(1566518400000)]
        "[14:34:54.346Z]" => array<int32:Time> => [date(52494346)]
        "{\"k1\":\"14:34:54.346Z\"}" => map<string,int32:Time> => {"k1"=date(52494346)}
        "{\"k1\":14:34:54.346Z}" => map<string,int32:Time> => {"k1"=date(52494346)}
        "[\"2019-08-23\"]" => array<int32:Date> => [date(1566518400000)]
        "[1, 1.5]" => array<float32> => [Float(1.0), Float(1.5)]
        "[1.5, 1e300]" => array<float64> => [Double(1.5), Double(1.0E300)]
        "[1e300, 1.5]" => array<float64> => [Double(1.0E300), Double(1.5)]
        "[[1],[2]]" => array<array<int8>> => [[Byte(1)], [Byte(2)]]
        "[{\"a\":1},{\"b\":2}]" => array<map<string,int8>> => [{"a"=Byte(1)}, {"b"=Byte(2)}]
        "{\"a\":{\"b\":[1,2]}}" => map<string,map<string,array<int8>>> => {"a"={"b"=[Byte(1), Byte(2)]}}
        "[\" a \"]" => array<string> => [" a "]
        "\"foo\"" => string => "\"foo\""
        "\"foo" => string => "\"foo"
        "\"2019-08-23\"" => string => "\"2019-08-23\""
        "[99999999999999999999]" => array<bytes:Decimal(0)> => [BigDecimal(99999999999999999999)]
        "[\"a\",\"b\"]" => array<string> => ["a", "b"]
        "{1:\"a\",300:\"b\"}" => map<int16,string> => {Short(1)="a", Short(300)="b"}
        "{\" foo\" :  1234567890 ,, \"bar\" : 0}" => string => "{\" foo\" :  1234567890 ,, \"bar\" : 0}"
        "{ \"foo\" :  1234567890 , \"a\", \"bar\" : 0}" => string => "{ \"foo\" :  1234567890 , \"a\", \"bar\" : 0}"
        "a:b" => string => "a:b"
        "{b" => string => "{b"
        "\uffff" => string => "\uffff"
        """#
}
