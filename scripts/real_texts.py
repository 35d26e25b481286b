# SPDX-License-Identifier: Apache-2.0
"""Texts for scripts/check_real_models.py: lines in twelve scripts, and prompts."""
import random

SCRIPTS = {
    "Latin": ["The quick brown fox jumps over the lazy dog", "Übung macht den Meister, größer als sonst", "Où est la bibliothèque, s'il vous plaît ?",
              "Señor Muñoz pidió jalapeños", "they've said I'll see what we'd do", "Zażółć gęślą jaźń"],
    "Greek": ["Η γρήγορη καφέ αλεπού πηδά", "Καλημέρα κόσμε", "το μήκος του κύματος είναι μικρό"],
    "Cyrillic": ["Быстрая коричневая лиса прыгает через собаку", "Съешь же ещё этих мягких булок", "Привіт, світе! Як справи?"],
    "Arabic": ["الثعلب البني السريع يقفز فوق الكلب", "مرحبا بالعالم، كيف الحال؟", "السلام عليكم ورحمة الله"],
    "Hebrew": ["שלום עולם, מה שלומך?", "השועל החום המהיר קופץ מעל הכלב"],
    "Devanagari": ["नमस्ते दुनिया, आप कैसे हैं?", "तेज भूरी लोमड़ी आलसी कुत्ते पर कूदती है"],
    "Tamil": ["வணக்கம் உலகம், எப்படி இருக்கிறீர்கள்?", "விரைவான பழுப்பு நரி"],
    "Thai": ["สวัสดีชาวโลก สบายดีไหม", "สุนัขจิ้งจอกสีน้ำตาลกระโดดข้ามสุนัข"],
    "Han": ["敏捷的棕色狐狸跳过了懒狗", "你好，世界！今天天气怎么样？", "臺灣的夜市很熱鬧"],
    "Kana": ["すばやい茶色のきつねはのろまな犬を飛び越える", "こんにちは、世界。お元気ですか？", "カタカナとひらがなとﾊﾝｶｸ"],
    "Hangul": ["빠른 갈색 여우가 게으른 개를 뛰어넘는다", "안녕하세요, 세계! 잘 지내세요?"],
    "Georgian": ["გამარჯობა მსოფლიო, როგორ ხარ?", "სწრაფი ყავისფერი მელა"],
}
BETWEEN = [" ", " ", " ", "  ", "   ", ", ", "; ", " - ", "\t", "\n", "\n\n", " \n ", "... ", " (", ") ", "/", "_", " ½ ", " ³ ", "🙂 ", " 👩‍🚀"]
NUMBERS = ["1", "42", "2026", "3.14159", "1,000,000", "0x1F", "٣٤٥", "Ⅷ", "१२३", "50%", "10^-7", "007"]


def lines(count=200):
    rng, names = random.Random(0), list(SCRIPTS)
    result = []
    for i in range(count):
        own = SCRIPTS[names[i % len(names)]]
        parts = rng.choices(own, k=rng.randint(1, 2)) + rng.choices(NUMBERS, k=rng.randint(0, 2))
        if rng.random() < 0.4:
            parts.append(rng.choice(SCRIPTS[rng.choice(names)]))
        rng.shuffle(parts)
        line = rng.choice(["", "", "", " ", "  ", "\n"])
        for part in parts:
            line += (part.upper() if rng.random() < 0.1 else part) + rng.choice(BETWEEN)
        result.append(line if rng.random() < 0.3 else line.strip() or "x")
    return result


PROMPTS = [
    "Once upon a time, in a small village by the sea, there lived an old fisherman who",
    "def fibonacci(n):\n    \"\"\"Returns the n-th Fibonacci number.\"\"\"\n",
    "La capitale de la France est Paris. La capitale de l'Allemagne est",
    "Q: What is the difference between a virus and a bacterium?\nA:",
    "1, 1, 2, 3, 5, 8, 13, 21,",
    "{\"name\": \"Alice\", \"age\": 30, \"friends\": [{\"name\": \"Bob\",",
    "Water boils at 100 degrees Celsius because",
    "Dear Sir or Madam,\n\nI am writing to complain about",
]
